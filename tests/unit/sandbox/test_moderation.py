import pytest
from meentwerk_sandbox import moderation
from meentwerk_sandbox.models import DomainBlock

NAMES = {"silence": 0, "suspend": 1, "noop": 2}


def _block(severity: str, *, media: bool = False, reports: bool = False) -> DomainBlock:
    return DomainBlock(severity=NAMES[severity], reject_media=media, reject_reports=reports)


@pytest.mark.parametrize(
    ("new", "old", "stricter"),
    [
        ("suspend", "suspend", True),
        ("silence", "suspend", False),
        ("noop", "suspend", False),
        ("noop", "silence", False),
        ("silence", "noop", True),
        ("silence", "silence", True),
    ],
)
def test_severities_are_compared_as_upstream_does(new: str, old: str, stricter: bool) -> None:
    assert moderation.stricter(_block(new), _block(old)) is stricter


def test_what_is_rejected_on_top_must_stay_rejected() -> None:
    assert not moderation.stricter(_block("silence"), _block("silence", media=True))
    assert moderation.stricter(_block("silence", media=True), _block("noop", media=True))
    assert not moderation.stricter(_block("silence", media=True), _block("noop", media=True, reports=True))
