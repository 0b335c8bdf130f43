from meentwerk_sandbox import paging
from meentwerk_sandbox.params import Params

URL = "https://social.example.test/api/v1/admin/domain_blocks"


def test_limits_are_capped_and_signs_ignored() -> None:
    assert paging.limit(Params({}), 100) == 100
    assert paging.limit(Params({"limit": "-5"}), 100) == 5
    assert paging.limit(Params({"limit": "999"}), 100) == 200
    assert paging.limit(Params({"limit": "999"}), 100, 500) == 500


def test_a_full_page_has_a_next_one() -> None:
    link = paging.link_header(URL, Params({"limit": "2"}), ("limit",), [9, 8], more=True)
    assert link == f'<{URL}?limit=2&max_id=8>; rel="next", <{URL}?limit=2&min_id=9>; rel="prev"'


def test_the_last_page_leads_back_only() -> None:
    assert paging.link_header(URL, Params({}), ("limit",), [9], more=False) == f'<{URL}?min_id=9>; rel="prev"'


def test_an_empty_page_leads_nowhere() -> None:
    assert paging.link_header(URL, Params({}), (), [], more=False) is None


def test_filters_are_kept_and_sorted() -> None:
    link = paging.link_header(
        URL, Params({"status": "pending", "origin": "local"}), ("status", "origin"), [1], more=False
    )
    assert link == f'<{URL}?min_id=1&origin=local&status=pending>; rel="prev"'
