import pytest
from hypothesis import given
from hypothesis import strategies as st
from meentwerk_sandbox import text


@pytest.mark.parametrize(
    ("content", "length"),
    [
        ("", 0),
        ("hello", 5),
        ("https://example.org/" + "x" * 300, 23),
        ("see https://example.org.", 4 + 23 + 1),
        ("example.org is no link", 22),
        ("@clerk@a-very-long-domain.example.org hi", 9),
        ("@clerk hi", 9),
        ("mail clerk@example.org", 22),
        ("👨‍👩‍👧‍👦", 1),
        ("🇳🇱🇧🇪", 2),
        ("👍🏽", 1),
        ("e\u0301", 1),
        ("\r\n", 1),
        ("각", 1),
        ("각", 1),
    ],
)
def test_characters_count_as_mastodon_counts_them(content: str, length: int) -> None:
    assert text.countable_length(content) == length


def test_a_content_warning_counts() -> None:
    assert text.countable_length("abc", "warning") == 10


@given(st.text())
def test_counting_never_fails_and_never_exceeds_the_code_points(content: str) -> None:
    assert 0 <= text.graphemes(content) <= len(content)


@given(st.text())
def test_html_never_lets_markup_through(content: str) -> None:
    html = text.to_html(content, base_url="https://x.test", mention=lambda _: None)
    assert "<script" not in html.lower()


def _html(content: str, **options: bool) -> str:
    return text.to_html(
        content,
        base_url="https://social.example.test",
        mention=lambda handle: "https://social.example.test/@clerk" if handle == "clerk" else None,
        **options,
    )


def test_html_of_a_post() -> None:
    assert _html("a <b> & \"c\" 'd'\nnext\n\nlast") == (
        "<p>a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;<br />next</p><p>last</p>"
    )


def test_long_links_are_shortened_for_the_eye_only() -> None:
    url = "https://www.example.org/a/very/long/path/that/goes/on"
    html = _html(url)
    assert f'href="{url}"' in html
    assert '<span class="invisible">https://www.</span><span class="ellipsis">' in html


def test_known_people_are_linked_and_unknown_ones_are_not() -> None:
    assert '<a href="https://social.example.test/@clerk" class="u-url mention">@<span>clerk</span></a>' in _html(
        "@clerk"
    )
    assert _html("@nobody") == "<p>@nobody</p>"


def test_hashtags_need_a_letter() -> None:
    assert [entity.value for entity in text.entities("#one #2 #3d x#no #über")] == ["one", "3d", "über"]


def test_field_links_carry_rel_me() -> None:
    html = _html("https://example.org", multiline=False, rel_me=True)
    assert 'rel="nofollow noopener me"' in html
    assert not html.startswith("<p>")


def test_a_name_under_a_top_level_domain_that_does_not_exist_is_no_link() -> None:
    assert text.entities("https://www.tides.example.test/page") == []
    assert text.note_length("https://www.tides.example.test/page") == len("https://www.tides.example.test/page")
    assert [entity.value for entity in text.entities("https://example.testing/page")] == [
        "https://example.testing/page"
    ]
