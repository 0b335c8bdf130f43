"""What playbooks/decommission.yml wrote beside an entry: the names of an instance that is gone are nobody's again."""

from collections.abc import Iterator, Mapping

from meentwerk.entries.document import Path_
from meentwerk.entries.fleet import Fleet, Host, Value
from meentwerk.entries.problem import Problem, quoted

VARIABLE = "instance_decommissioned"
STATES = ("leaving", "removing", "gone")
_RESTORE = "Bring the file back from version control, or run playbooks/decommission.yml for it again."
_PLACE = "It stands in host_vars/INSTANCE/decommissioned.yml only, where playbooks/decommission.yml writes it."


def records(fleet: Fleet) -> dict[str, Value]:
    """Return the record of each instance that was decommissioned, or is leaving, by name; entries need not be there."""
    return {name: found[VARIABLE] for name, found in fleet.host_vars.items() if VARIABLE in found}


def reserved(found: Mapping[str, Value]) -> dict[str, str]:
    """Return the names that are kept from everybody: domain -> the instance that had it."""
    return {
        name: instance
        for instance, record in found.items()
        if isinstance(record.data, dict) and isinstance(record.data.get("names"), list)
        for name in record.data["names"]
        if isinstance(name, str)
    }


def malformed(found: Mapping[str, Value]) -> Iterator[Problem]:
    """Yield what is wrong with the records: with a damaged one, an instance might be set up again."""
    for instance, record in found.items():
        data = record.data if isinstance(record.data, dict) else {}
        names = data.get("names")
        if data.get("state") not in STATES or not (isinstance(names, list) and data.get("domain") in names):
            wrong = (
                "The record is damaged: it needs state (leaving, removing or gone), domain, and names with that domain."
            )
            yield Problem(record.place(), f"{instance}: {VARIABLE}", wrong, _RESTORE)


def misplaced(host: Host) -> Iterator[Problem]:
    """Yield a record that stands where it would hold for others as well."""
    value = host.effective.get(VARIABLE)
    if value is not None and f"host_vars/{host.name}" not in value.document.file.as_posix():
        yield Problem(value.key_place(), f"{host.name}: {VARIABLE}", "The record is not this host's own.", _PLACE)


def taken(host: Host, domains: Iterator[tuple[Value, Path_, str]], names: Mapping[str, str]) -> Iterator[Problem]:
    """Yield each domain of an entry that an instance had which is gone. Its own name keeps its own domains."""
    said: list[str] = []
    for value, path, domain in domains:
        before = names.get(domain)
        if before is None or before == host.name or any(domain.endswith(f".{other}") for other in said):
            continue
        said.append(domain)
        wrong = f"{quoted(domain)} was the name of {before}, which was decommissioned."
        cure = (
            "Other servers hold its accounts for gone, for good: take another domain. "
            f"The record: host_vars/{before}/decommissioned.yml."
        )
        yield Problem(value.place(path), host.name, wrong, cure)
