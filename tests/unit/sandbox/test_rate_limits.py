from meentwerk_sandbox import ratelimit
from meentwerk_sandbox.ratelimit import Caller, Rule, Usage


def _caller(
    method: str = "GET", path: str = "/api/v1/instance", user: int | None = None, *, paging: bool = False
) -> Caller:
    return Caller(method, path, "198.51.100.7", user, user, paging, None)


def _rules(caller: Caller) -> set[str]:
    return {rule.name for rule in ratelimit.RULES if rule.key(caller) is not None}


def test_anonymous_requests_count_by_address() -> None:
    assert _rules(_caller()) == {"throttle_unauthenticated_api"}


def test_requests_with_a_token_count_for_token_and_user() -> None:
    assert _rules(_caller(user=1)) == {"throttle_authenticated_api", "throttle_per_token_api"}


def test_some_requests_count_twice() -> None:
    assert "throttle_api_sign_up" in _rules(_caller("POST", "/api/v1/accounts"))
    assert "throttle_oauth_application_registrations/ip" in _rules(_caller("POST", "/api/v1/apps"))
    assert "throttle_api_media" in _rules(_caller("POST", "/api/v2/media", 1))
    assert "throttle_api_delete" in _rules(_caller("DELETE", "/api/v1/statuses/12", 1))
    assert "throttle_authenticated_paging" in _rules(_caller(user=1, paging=True))
    assert _rules(_caller("GET", "/about")) == set()


def test_the_headers_tell_the_end_of_the_period() -> None:
    usage = Usage(Rule("x", 300, 300, lambda _: 1), 301, 1_795_476_632.578658)
    assert usage.exceeded
    assert usage.headers() == {
        "X-RateLimit-Limit": "300",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "2026-11-23T23:35:00.578658Z",
    }


def test_the_tightest_limit_is_told() -> None:
    wide, tight = Rule("wide", 1500, 300, lambda _: 1), Rule("tight", 300, 300, lambda _: 1)
    usages = [Usage(wide, 1, 0.0), Usage(tight, 1, 0.0)]
    found = ratelimit.tightest(usages)
    assert found is not None
    assert found.rule.name == "tight"
