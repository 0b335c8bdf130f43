"""The order in which a fleet is upgraded."""

from tests.plugins import load

WAVES = load("plugins/filter/waves.py")


def test_without_groups_it_goes_in_batches() -> None:
    assert WAVES.waves(["a", "b", "c"], {}, 2) == [["a", "b"], ["c"]]


def test_canaries_one_by_one_then_the_waves_by_number_then_the_rest() -> None:
    groups = {"wave_10": ["f"], "wave_2": ["d", "e"], "canary": ["c", "b"], "wave_x": ["a"], "all": ["a"]}
    order = WAVES.waves(["a", "b", "c", "d", "e", "f"], groups)
    assert order == [["b"], ["c"], ["d", "e"], ["f"], ["a"]]


def test_only_those_that_were_asked_for() -> None:
    assert WAVES.waves(["d"], {"canary": ["a"], "wave_1": ["d", "e"]}) == [["d"]]


def test_nobody_twice() -> None:
    assert WAVES.waves(["a", "a"], {"canary": ["a"], "wave_1": ["a"]}) == [["a"]]
