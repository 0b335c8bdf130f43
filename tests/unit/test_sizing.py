"""The sizes: numbers that fit together on a server of that memory."""

import pytest
from ansible.errors import AnsibleFilterError  # type: ignore[import-untyped]

from tests.plugins import load

SIZING = load("plugins/filter/sizing.py")


@pytest.mark.parametrize("size", list(SIZING.SIZES))
def test_a_size_fits_its_memory(size: str) -> None:
    numbers = SIZING.meentwerk_sizing(size)
    # 205 MB per puma worker, 330 MB for sidekiq's process, 112 MB streaming, 512 MB for the system itself
    processes = numbers["web_concurrency"] * 205 + 330 + 112 + 512
    assert processes + numbers["postgresql_mb"] + numbers["valkey_mb"] < numbers["memory_mb"]


@pytest.mark.parametrize("size", list(SIZING.SIZES))
def test_connections_suffice_while_two_releases_overlap(size: str) -> None:
    numbers = SIZING.meentwerk_sizing(size)
    busiest = 2 * numbers["web_concurrency"] * numbers["max_threads"] + numbers["sidekiq_concurrency"] + 10
    assert numbers["max_connections"] > busiest


def test_larger_sizes_never_get_less() -> None:
    small, medium, large = (SIZING.meentwerk_sizing(size) for size in ("small", "medium", "large"))
    for key in small:
        assert small[key] <= medium[key] <= large[key]


def test_an_unknown_size_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AnsibleFilterError, match="small, medium, large"):
        SIZING.meentwerk_sizing("huge")
