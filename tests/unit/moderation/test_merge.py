"""Layers and lists become one policy."""

import datetime
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meentwerk.moderation import merge as merging
from meentwerk.moderation import sources, work
from meentwerk.moderation.lists import BlockList, Listed
from meentwerk.moderation.merge import Read, from_lists
from meentwerk.moderation.model import Merging, Source
from meentwerk.moderation.policy import Policy, Wanted, remarks_of
from meentwerk.moderation.sections import STRICTNESS

from .conftest import Lay

SPAM = {"domain": "spam.example", "severity": "suspend", "reason": "Spam"}


def merged(*files: Path) -> Policy:
    reading = work.read_policy(files)
    assert not reading.problems, reading.problems
    return reading.policy


def blocks(*files: Path) -> dict[str, Wanted]:
    return dict(merged(*files).sections.get("domain_blocks", {}))


def test_a_later_layer_decides_and_the_way_stays_visible(lay: Lay) -> None:
    one = lay("organisation", domain_blocks=[SPAM, {"domain": "loud.example", "reason": "Noise"}])
    two = lay("tides", domain_blocks=[{**SPAM, "severity": "silence", "reason": "Our fishermen are there"}])
    found = blocks(one, two)
    assert found["spam.example"].fields["severity"] == "silence"
    assert found["spam.example"].reason == "Our fishermen are there"
    assert [place.partition(":")[0] for place in found["spam.example"].origin] == ["organisation.yml", "tides.yml"]
    assert found["loud.example"].fields["severity"] == "silence"


def test_a_later_layer_lifts(lay: Lay) -> None:
    one = lay("organisation", domain_blocks=[SPAM])
    two = lay("tides", domain_blocks=[{"domain": "spam.example", "lift": True, "reason": "Not here"}])
    assert not blocks(one, two)
    assert [it.kind for it in merged(two).remarks] == ["useless"]


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"lift": True}, False),
        ({"severity": "silence"}, False),
        ({"reject_media": False}, False),
        ({"severity": "suspend", "reject_media": True, "public_comment": "Spam"}, True),
    ],
)
def test_a_locked_entry_is_only_made_stricter(lay: Lay, change: dict[str, Any], allowed: bool) -> None:
    one = lay("organisation", domain_blocks=[{**SPAM, "reject_media": True, "locked": True}])
    two = lay("tides", domain_blocks=[{**SPAM, "reject_media": True, **change}])
    reading = work.read_policy([one, two])
    if allowed:
        assert not reading.problems
        assert reading.policy.sections["domain_blocks"]["spam.example"].locked
        return
    (problem,) = reading.problems
    assert problem.place.file == two
    assert "locked by organisation.yml" in problem.wrong


def test_an_expired_entry_no_longer_holds_and_is_told(lay: Lay) -> None:
    file = lay(
        "tides", domain_blocks=[{**SPAM, "expires": datetime.date(2026, 1, 1), "review": datetime.date(2025, 1, 1)}]
    )
    policy = merged(file)
    assert policy.sections["domain_blocks"] == {}
    (remark,) = remarks_of(policy.remarks, "expired")
    assert remark.where == "tides.yml:4"
    later = lay("later", domain_blocks=[{**SPAM, "expires": datetime.date(2999, 1, 1)}])
    assert "spam.example" in blocks(later)


def test_a_review_that_is_due_is_told_with_its_owner(lay: Lay) -> None:
    file = lay("tides", domain_blocks=[{**SPAM, "review": datetime.date(2025, 1, 1), "owner": "Webcare"}])
    (remark,) = remarks_of(merged(file).remarks, "review")
    assert "Webcare" in remark.text


def test_a_section_that_no_layer_names_is_left_alone(lay: Lay) -> None:
    assert list(merged(lay("tides", domain_blocks=[SPAM])).sections) == ["domain_blocks"]
    assert list(merged(lay("tides", ip_blocks=[])).sections) == ["ip_blocks"]


def test_the_last_layer_that_says_so_decides_who_owns_a_section(lay: Lay) -> None:
    one = lay("organisation", ownership={"domain_blocks": "exclusive", "ip_blocks": "exclusive"})
    two = lay("tides", ownership={"ip_blocks": "additive"})
    assert merged(one, two).exclusive == {"domain_blocks", "rules"}


def test_guards_add_up_and_the_smallest_number_holds(lay: Lay) -> None:
    one = lay("organisation", guards={"own_domains": ["ministry.example"], "most_deletions_percent": 5})
    two = lay(
        "tides", guards={"own_domains": ["tides.example"], "most_deletions_percent": 50, "most_severed_follows": 3}
    )
    guards = merged(one, two).guards
    assert guards.own_domains == {"ministry.example", "tides.example"}
    assert (guards.most_deletions_percent, guards.most_severed_follows) == (5, 3)


def test_rules_and_settings_of_all_layers(lay: Lay) -> None:
    words = {"nl": {"text": "Wees aardig."}}
    one = lay("organisation", rules=[{"text": "Be kind.", "translations": words, "reason": "House rules"}],
              registrations={"mode": "closed", "reason": "Staff only"})  # fmt: skip
    two = lay("tides", rules=[{"text": "No adverts.", "reason": "Ours"}],
              registrations={"mode": "approval", "reason": "Guests, too"},
              settings=[{"name": "trends", "value": False, "reason": "Quiet"}])  # fmt: skip
    sections = merged(one, two).sections
    assert [rule.fields["position"] for rule in sections["rules"].values()] == [0, 1]
    assert sections["rules"]["Be kind."].fields["translations"] == '{"nl": {"hint": "", "text": "Wees aardig."}}'
    assert {key: one.fields["value"] for key, one in sections["settings"].items()} == {
        "registrations_mode": "approved",
        "trends": False,
    }


# --- lists


def source(name: str, **more: Any) -> Source:
    return Source(name=name, reason="Agreed", file=f"{name}.csv", **more)


def read(name: str, entries: dict[str, str], **more: Any) -> Read:
    found = BlockList(name, {key: Listed(key, severity, 1) for key, severity in entries.items()})
    return Read(source(name, **more), "organisation", found)


def test_a_threshold_weighs_lists_by_trust() -> None:
    lists = [
        read("one", {"a.example": "suspend", "b.example": "silence"}),
        read("two", {"a.example": "silence"}),
        read("three", {"c.example": "suspend"}, trust=2),
    ]
    found = from_lists(lists, Merging(threshold=2), [])
    assert {key: it.fields["severity"] for key, it in found.items()} == {"a.example": "suspend", "c.example": "suspend"}
    assert found["a.example"].origin == ("one, line 1", "two, line 1")
    assert "one, two" in found["a.example"].reason
    mild = from_lists(lists, Merging(threshold=2, severity="mildest"), [])
    assert mild["a.example"].fields["severity"] == "silence"


def test_a_list_is_never_stricter_than_it_may_be() -> None:
    found = from_lists([read("one", {"a.example": "suspend"}, max_severity="silence")], Merging(), [])
    assert found["a.example"].fields["severity"] == "silence"


def test_an_allow_list_covers_subdomains_but_not_parents() -> None:
    lists = [
        read("one", dict.fromkeys(["fine.example", "sub.fine.example", "example", "finer.example"], "suspend")),
        read("good", {"fine.example": "noop"}, kind="allows"),
    ]
    remarks: list[Any] = []
    assert set(from_lists(lists, Merging(), remarks)) == {"example", "finer.example"}
    assert {remark.key for remark in remarks} == {"fine.example", "sub.fine.example"}
    assert set(from_lists(lists[:1], Merging(never=["fine.example"]), [])) == {"example", "finer.example"}


def test_what_a_list_does_not_block_is_no_block() -> None:
    assert not from_lists([read("one", {"a.example": "noop"})], Merging(), [])


def test_a_layer_decides_over_a_list(lay: Lay, tmp_path: Path) -> None:
    (tmp_path / "partner.csv").write_text("domain,severity\nspam.example,suspend\nloud.example,silence\n")
    listed = {"name": "partner", "file": "partner.csv", "reason": "Agreed"}
    lift = {"domain": "loud.example", "lift": True, "reason": "Not that loud"}
    file = lay("tides", sources=[listed], domain_blocks=[{**SPAM, "severity": "silence"}, lift])
    found = blocks(file)
    assert list(found) == ["spam.example"]
    assert found["spam.example"].fields["severity"] == "silence"
    assert found["spam.example"].origin[0].startswith("list partner (tides), line 2")


def test_a_list_that_is_gone_stops_the_plan(lay: Lay, tmp_path: Path) -> None:
    """Going on without it would lift everything that it blocks."""
    (tmp_path / "broken.json").write_text('[{"domain": "spam.ex')
    for name in ("nowhere.csv", "broken.json"):
        file = lay("tides", sources=[{"name": "partner", "file": name, "reason": "Agreed"}])
        assert work.read_policy([file]).problems


def test_bad_rows_of_a_list_are_told_and_the_rest_is_taken(lay: Lay, tmp_path: Path) -> None:
    (tmp_path / "partner.csv").write_text("domain\nspam.example\nnot a domain\n")
    reading = work.read_policy([lay("tides", sources=[{"name": "partner", "file": "partner.csv", "reason": "Agreed"}])])
    assert not reading.problems
    assert [problem.place.line for problem in reading.list_problems] == [3]
    assert list(reading.policy.sections["domain_blocks"]) == ["spam.example"]


def test_a_list_from_elsewhere_is_what_was_pinned_and_kept(
    lay: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked: list[str] = []

    def fetch(url: str, most: int, timeout: int) -> bytes:
        asked.append(url)
        return b"domain\nspam.example\n"

    pinned = hashlib.sha256(b"domain\nspam.example\n").hexdigest()
    listed = {"name": "partner", "url": "https://lists.example/x.csv", "sha256": pinned, "reason": "Agreed"}
    file = lay("tides", sources=[listed])
    for _ in range(2):
        assert list(work.read_policy([file], fetch).policy.sections["domain_blocks"]) == ["spam.example"]
    assert len(asked) == 1
    other = lay("other", sources=[{**listed, "sha256": "a" * 64}])
    (problem,) = work.read_policy([other], fetch).problems
    assert pinned in problem.cure
    short = lay("short", sources=[{**listed, "sha256": "b" * 64, "most_bytes": 5}])
    assert "longer than 5 bytes" in work.read_policy([short], fetch).problems[0].wrong


def test_another_servers_blocks(lay: Lay) -> None:
    def fetch(url: str, most: int, timeout: int) -> bytes:
        assert url == "https://neighbour.example/api/v1/instance/domain_blocks"
        return b'[{"domain": "spam.example", "digest": "0", "severity": "suspend", "comment": "Spam"}]'

    file = lay("tides", sources=[{"name": "neighbour", "instance": "neighbour.example", "reason": "Agreed"}])
    policy = work.read_policy([file], fetch).policy
    assert policy.sections["domain_blocks"]["spam.example"].fields["public_comment"] == "Spam"


def test_nothing_but_https_is_fetched() -> None:
    with pytest.raises(sources.FetchError):
        sources.fetch_https("https://127.0.0.1:9/", 10, 1)


ENTRIES = st.dictionaries(
    st.sampled_from(["a.example", "b.a.example", "b.example", "c.example"]),
    st.sampled_from(["noop", "silence", "suspend"]),
)


@given(
    st.lists(st.tuples(ENTRIES, st.integers(1, 3)), max_size=5),
    st.integers(1, 5),
    st.sampled_from(["strictest", "mildest"]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_lists_changes_nothing(
    given_lists: list[tuple[dict[str, str], int]], threshold: int, severity: Any, mixer: random.Random
) -> None:
    lists = [read(f"list{number}", entries, trust=trust) for number, (entries, trust) in enumerate(given_lists)]
    how = Merging(threshold=threshold, severity=severity)
    mixed = mixer.sample(lists, len(lists))
    assert from_lists(lists, how, []) == from_lists(mixed, how, [])
    for key, one in from_lists(lists, how, []).items():
        said = [it for it in lists if key in it.found.entries]
        assert sum(it.source.trust for it in said) >= threshold
        ranks = [STRICTNESS[it.found.entries[key].severity] for it in said]
        assert STRICTNESS[str(one.fields["severity"])] == (max(ranks) if severity == "strictest" else min(ranks))


@given(st.lists(st.tuples(ENTRIES, st.integers(1, 3)), max_size=5), st.integers(1, 5))
def test_a_higher_threshold_never_blocks_more(given_lists: list[tuple[dict[str, str], int]], threshold: int) -> None:
    lists = [read(f"list{number}", entries, trust=trust) for number, (entries, trust) in enumerate(given_lists)]
    more = from_lists(lists, Merging(threshold=threshold), [])
    fewer = from_lists(lists, Merging(threshold=threshold + 1), [])
    assert fewer.items() <= more.items()


def test_the_words_for_registrations_are_mastodons() -> None:
    assert merging.MODES == {"closed": "none", "approval": "approved", "open": "open"}
