"""Every kind of register, in its real shape, and what may be wrong with a file."""

import tracemalloc
from datetime import date
from pathlib import Path

import pytest
from meentwerk.errors import UsageError
from meentwerk.identities import registers
from meentwerk.identities.config import Columns, Register
from meentwerk.identities.model import Domain, Organisation, SocialMedium

from .samples import ENDED, LAKES, SOURCE, TIDES, contact, organisation, roo


def read(tmp_path: Path, text: str | bytes, kind: str = "roo", **options: object) -> list[Organisation]:
    path = tmp_path / "register"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    register = Register.model_validate({"name": "test", "kind": kind, "source": "register", **options})
    return list(registers.read(path, register, SOURCE))


@pytest.mark.parametrize("version", ["2.6.9", "3.0"])
def test_roo(tmp_path: Path, version: str) -> None:
    inside = "<p:afkorting>MT</p:afkorting><p:types><p:type>Ministerie</p:type></p:types>" + contact(
        "https://www.tides.example.test/",
        "https://shared.example.test/tides",
        mail="info@tides.example.test",
        social="https://social.tides.example.test/@news",
    )
    ended = organisation(ENDED, "Old Town", "<p:eindDatum>2020-01-01+01:00</p:eindDatum>", number="2")
    found = read(tmp_path, roo(organisation(TIDES, "Ministry\n of Tides", inside), ended, version=version))
    tides, old = found
    assert tides.identifiers == (TIDES, "https://organisaties.overheid.nl/1")
    assert tides.names == ("Ministry of Tides", "MT")
    assert tides.types == ("Ministerie",)
    assert tides.domains == (Domain("tides.example.test"), Domain("shared.example.test", "/tides"))
    assert tides.mail_domains == (Domain("tides.example.test"),)
    assert tides.social == (SocialMedium("Mastodon", "news", "https://social.tides.example.test/@news"),)
    assert not tides.ended(date(2026, 1, 1))
    assert old.ended(date(2026, 1, 1))
    assert not old.ended(date(2019, 12, 31))


def test_an_organisation_within_another_keeps_what_is_its_own(tmp_path: Path) -> None:
    inner = organisation(LAKES, "Lakes", contact("https://lakes.example.test"), number="2")
    outer = organisation(
        TIDES, "Tides", f"{contact('https://tides.example.test')}<p:organisaties>{inner}</p:organisaties>"
    )
    lakes, tides = read(tmp_path, roo(outer))
    assert (lakes.names, lakes.parent, lakes.domains) == (("Lakes",), TIDES, (Domain("lakes.example.test"),))
    assert (tides.names, tides.parent, tides.domains) == (("Tides",), None, (Domain("tides.example.test"),))


def test_rio(tmp_path: Path) -> None:
    text = f"""<r:export xmlns:r="urn:example:rio:1.4"><r:organisaties>
    <r:organisatie r:resourceIdentifierTOOI="{TIDES}"><r:naam>Tides</r:naam><r:domeinnaamregistraties>
      <r:domeinnaamregistratie><r:naam>tides.example.test</r:naam><r:domeinen>
        <r:domein><r:url>https://www.tides.example.test</r:url><r:gebruiksdoel>Website</r:gebruiksdoel></r:domein>
        <r:domein><r:url>mail.tides.example.test</r:url><r:gebruiksdoel>E-mail</r:gebruiksdoel></r:domein>
      </r:domeinen></r:domeinnaamregistratie>
      <r:domeinnaamregistratie><r:naam>old.example.test</r:naam><r:opgezegdSinds>2021-05-01</r:opgezegdSinds>
      </r:domeinnaamregistratie></r:domeinnaamregistraties></r:organisatie></r:organisaties></r:export>"""
    (tides,) = read(tmp_path, text, "rio")
    assert tides.domains == (Domain("tides.example.test"), Domain("old.example.test", until=date(2021, 5, 1)))
    assert tides.mail_domains == (Domain("mail.tides.example.test"),)
    assert tides.social is None, "it keeps no list of accounts, so an account cannot be missing from it"
    today = date(2026, 1, 1)
    assert tides.domain_of("a.tides.example.test", "/", today)
    assert tides.domain_of("old.example.test", "/", today) is None
    assert tides.domain_of("nottides.example.test", "/", today) is None


def test_dotgov(tmp_path: Path) -> None:
    text = (
        "Domain name,Domain type,Organization name,Suborganization name,City,State,Security contact email\n"
        "TIDES.EXAMPLE,Federal - Executive,Tides Agency,,Washington,DC,security@tides.example.org\n"
        "waves.example,Federal - Executive,Tides Agency,,Washington,DC,(blank)\n"
        "springfield.example,City,Springfield,,Springfield,XX,\n"
    )
    first, second, third = read(tmp_path, text, "dotgov")
    assert first.identifiers == ("https://tides.example",)
    assert second.identifiers == ("https://tides.example", "https://waves.example")
    assert first.joined(second).domains == (Domain("tides.example"), Domain("waves.example"))
    assert first.mail_domains == (Domain("tides.example.org"),)
    assert third.types == ("City",)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_any_csv(tmp_path: Path, mark: str, separator: str) -> None:
    sites = "tides.example.test|https://shared.example.test/tides/"
    rows = [
        ["code", "official name", "ends", "sites", "handles"],
        ["https://example.org/1", "Tides", "2031-01-01", sites, "@news@tides.example.test"],
        ["https://example.org/2", "Lakes", "", "", ""],
    ]
    columns = Columns(identifier="code", name="official name", until="ends", domains="sites", accounts="handles")
    text = mark + "\r\n".join(separator.join(row) for row in rows)
    tides, lakes = read(tmp_path, text, "csv", columns=columns)
    assert tides.domains == (Domain("tides.example.test"), Domain("shared.example.test", "/tides"))
    assert tides.until == date(2031, 1, 1)
    assert tides.social == (SocialMedium("Mastodon", "@news@tides.example.test", ""),)
    assert lakes.social == ()


def test_a_suffix_rule(tmp_path: Path) -> None:
    given = {"identifier": "https://example.org/1", "name": "Tides", "domains": ["tides.gov.example"]}
    (tides,) = read(tmp_path, "", "suffix", suffixes=["gov.example"], organisations=[given])
    assert tides.domains == (Domain("tides.gov.example"),)
    with pytest.raises(ValueError, match="under none of the suffixes"):
        read(tmp_path, "", "suffix", suffixes=["gov.example"], organisations=[{**given, "domains": ["x.example"]}])


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
WHOLE = roo(organisation(TIDES, "Tides", contact("https://tides.example.test")))
BAD = {
    "cut off": (WHOLE[: len(WHOLE) // 2], r"register:\d+:\d+: the file is damaged or cut off"),
    "empty": ("", "damaged or cut off"),
    "a page of a proxy": ("<html><body>Sign in</body></html>", "its root is <html>"),
    "entities": (WHOLE.replace("?>\n", f"?>{BOMB}\n"), "declares a document type or entities"),
    "an outer file": (
        WHOLE.replace("?>\n", '?><!DOCTYPE x SYSTEM "file:///etc/passwd">\n'),
        "declares a document type or entities",
    ),
    "endless depth": ("<overheidsorganisaties>" + "<a>" * 100, "beyond all reason"),
    "endless elements": ("<overheidsorganisaties>" + "<a/>" * 60_000, "beyond all reason"),
    "no XML": ("PK\x03\x04", "damaged or cut off"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_hostile_or_broken_file(tmp_path: Path, what: str) -> None:
    text, message = BAD[what]
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("identifier\nx\n", "there is no column 'name'"),
        ("identifier,name,domains\n,Tides,\n", "register:2: the row has no identifier"),
        (b"identifier,name,domains\n\xff\n", "is no UTF-8"),
        ('identifier,name,domains\n"x,y,z\n', "is no CSV"),
    ],
)
def test_a_broken_csv(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text, "csv")


def test_a_date_that_is_none(tmp_path: Path) -> None:
    columns = Columns(until="ends")
    with pytest.raises(UsageError, match="register:2: '31-12-2026' is no date"):
        read(tmp_path, "identifier,name,domains,ends\nx,Tides,,31-12-2026\n", "csv", columns=columns)


def test_memory_does_not_grow_with_the_register(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = tmp_path / "large"
        inside = contact(*(f"https://site{n}.example.test" for n in range(5)))
        path.write_text(roo(*(organisation(f"https://example.org/{n}", f"Name {n}", inside) for n in range(count))))
        register = Register(name="test", kind="roo", source="large")
        tracemalloc.start()
        number = sum(1 for _ in registers.read(path, register, SOURCE))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert number == count
        return most

    small, large = peak(200), peak(4000)
    assert large < small * 1.5 + 200_000, f"{small} bytes for 200 organisations, {large} for 4000"
