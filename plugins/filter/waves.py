"""In which order a fleet is upgraded."""

import re
from collections.abc import Iterable, Mapping

_WAVE = re.compile(r"wave_([0-9]+)")


def waves(instances: Iterable[str], groups: Mapping[str, list[str]], at_once: int = 5) -> list[list[str]]:
    """Return batches of instances, each of which has to succeed before the next begins.

    First the group `canary`, one by one; then the groups `wave_N` in the order of their numbers; then whoever is in
    none of them. No batch has more than `at_once` instances. Within a group the inventory's order holds.
    """
    left = list(dict.fromkeys(instances))
    numbered = sorted((int(match[1]), name) for name in groups if (match := _WAVE.fullmatch(name)))
    batches = []
    for name, size in [("canary", 1), *((name, at_once) for _, name in numbered), (None, at_once)]:
        members = [host for host in left if name is None or host in groups.get(name, [])]
        left = [host for host in left if host not in members]
        batches += [members[start : start + size] for start in range(0, len(members), size)]
    return batches


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, object]:
        """Return the filters by their names in templates."""
        return {"meentwerk_waves": waves}
