import pytest
from meentwerk_sandbox import config
from meentwerk_sandbox.config import ConfigError

GOOD = dict.fromkeys(config.REQUIRED, "x") | {"LOCAL_DOMAIN": "Social.example.test"}


@pytest.mark.parametrize("name", config.REQUIRED)
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        config.load({key: value for key, value in GOOD.items() if key != name})


def test_the_error_is_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        config.load({})
    assert "\n" not in str(caught.value)


def test_defaults_are_upstreams() -> None:
    loaded = config.load(GOOD)
    assert loaded.web_domain == loaded.local_domain == "social.example.test"
    assert loaded.base_url == "https://social.example.test"
    assert loaded.streaming_url == "wss://social.example.test"
    assert loaded.database["dbname"] == "mastodon_production"
    assert loaded.redis_url == "redis://localhost:6379/0"
    assert loaded.media_url == "/system"


def test_own_domains() -> None:
    loaded = config.load({**GOOD, "WEB_DOMAIN": "web.example.test", "ALTERNATE_DOMAINS": "a.test, b.test"})
    assert all(map(loaded.is_own_domain, ["social.example.test", "WEB.example.test", "a.test", "b.test/"]))
    assert not loaded.is_own_domain("c.test")


@pytest.mark.parametrize(("name", "value"), [("MAX_THREADS", "five"), ("TRUSTED_PROXY_IP", "nonsense")])
def test_values_that_make_no_sense_are_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        config.load({**GOOD, name: value})
