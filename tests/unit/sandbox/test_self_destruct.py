import dataclasses

from meentwerk_sandbox import config, self_destruct

ENVIRONMENT = dict.fromkeys(config.REQUIRED, "x" * 40) | {"LOCAL_DOMAIN": "tides.example.org"}


def test_only_a_value_signed_for_this_domain_counts() -> None:
    mine = config.load(ENVIRONMENT)
    value = self_destruct.value(mine)
    assert not self_destruct.active(mine)
    assert self_destruct.active(dataclasses.replace(mine, self_destruct=value))
    assert not self_destruct.active(dataclasses.replace(mine, self_destruct=value, local_domain="other.example.org"))
    assert not self_destruct.active(dataclasses.replace(mine, self_destruct=value, secret_key_base="another"))
    assert not self_destruct.active(dataclasses.replace(mine, self_destruct="true"))
