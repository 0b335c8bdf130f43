"""The languages that Mastodon 4.6 knows (app/helpers/languages_helper.rb: SUPPORTED_LOCALES, REGIONAL_LOCALE_NAMES)."""

_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
    eo es et eu fa ff fi fj fo fr fy ga gd gl gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka
    kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mn-Mong mr ms ms-Arab mt my
    na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sn so sq
    sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    ast chr ckb cnr csb gsw jbo kab ldn lfn moh nds pdc sco sma smj szl tok vai xal zba zgh
    zh-CN zh-HK zh-TW zh-YUE en-GB es-AR es-MX fr-CA pt-BR pt-PT sr-Latn
"""
LANGUAGES = frozenset(_CODES.split())

# What people write for the languages most often asked for
BY_NAME = {
    "dutch": "nl", "nederlands": "nl", "english": "en", "engels": "en", "frisian": "fy", "frysk": "fy", "fries": "fy",
    "german": "de", "deutsch": "de", "duits": "de", "french": "fr", "français": "fr", "frans": "fr",
    "spanish": "es", "español": "es", "norwegian": "no", "norsk": "no", "papiamento": "pap",
}  # fmt: skip
