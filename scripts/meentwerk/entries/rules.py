"""Every problem of an inventory at once: its files, each entry by the model, and what only shows when all are seen."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from meentwerk.entries import between, explain
from meentwerk.entries.document import Document, Path_, Vaulted
from meentwerk.entries.fleet import GROUP, Fleet, Host, Value, load
from meentwerk.entries.model import DEMO_ONLY, FIELDS, set_by_operator
from meentwerk.entries.problem import Place, Problem, nearest, quoted
from meentwerk.entries.values import HOST_NAME_PATTERN

# What else of ours may stand in an operator's files under the prefix of the entry
OPERATORS_OWN = ("instance_secrets", "instance_deployed")
SECRET_KEY = re.compile(
    r"(?i)(^|_)(password|passwd|passphrase|pwd|secrets?|token|private_key|secret_key(_base)?|api_?key|access_key|credentials?)$"
)
PRIVATE_KEY = "PRIVATE KEY-----"
VAULT_TEXT = "$ANSIBLE_VAULT;"
TEMPLATE = re.compile(r"\{\{|\{%|\{#")


def check(sources: Sequence[Path], extra: dict[Path, bytes] | None = None) -> tuple[Fleet, list[Problem]]:
    """Read inventories and return them with every problem, in the order of files and lines."""
    fleet = load(sources, extra)
    problems = set(fleet.problems)
    for document in fleet.departments:
        problems.update(_department_file(document))
    for document in fleet.documents:
        problems.update(_secrets(document, document.data, ()))
    for document in fleet.shared:
        problems.update(_shared_file(document))
    for host in fleet.instances():
        problems.update(_host(fleet, host))
    problems.update(between.check(fleet))
    if not any(fleet.instances()) and not problems:
        wrong, cure = f"No host is in the group {GROUP}.", "Add an entry: scripts/new-department"
        problems.add(Problem(Place(fleet.sources[0]), "", wrong, cure))
    # What is a secret in plain text is said once, and by nobody who quotes it
    secret = {problem.place for problem in problems if problem.wrong == _SECRET}
    return fleet, sorted(problem for problem in problems if problem.place not in secret or problem.wrong == _SECRET)


_SECRET = "A secret stands here in plain text."  # noqa: S105  # a sentence


def _department_file(document: Document) -> Iterator[Problem]:
    """A department's file holds its instances and nothing else."""
    data = document.data
    if document.problems and data is None:
        return
    if not isinstance(data, dict):
        wrong = "The file is empty." if data is None else "The file holds no entry."
        yield Problem(
            document.place(()),
            "",
            wrong,
            f"It begins with {GROUP}:, then hosts: and the name. scripts/new-department writes one.",
        )
        return
    for key in data:
        if key != GROUP:
            near = "" if GROUP in data else nearest(key, [GROUP])
            cure = f"Did you mean {near}?" if near else f"A department's file holds {GROUP} only."
            yield Problem(document.key_place((key,)), "", f"{quoted(key)} does not belong here.", cure)
    group = data.get(GROUP)
    if GROUP in data and not isinstance(group, dict):
        yield Problem(
            document.place((GROUP,)),
            GROUP,
            "Nothing stands below it.",
            "Write hosts: below it, then the name of the instance.",
        )
        return
    for key in group or {}:
        if key != "hosts":
            cure = (
                "Did you mean hosts?"
                if nearest(key, ["hosts"])
                else "What holds for several hosts is the operator's: group_vars/."
            )
            yield Problem(document.key_place((GROUP, key)), GROUP, f"{quoted(key)} does not belong here.", cure)
    hosts = (group or {}).get("hosts")
    if group and "hosts" in group and (not isinstance(hosts, dict) or not hosts):
        yield Problem(
            document.place((GROUP, "hosts")),
            GROUP,
            "No instance is named.",
            "Write its short name below hosts:, such as tides:",
        )
        return
    for name, entry in (hosts or {}).items():
        yield from _entry(document, name, entry)


def _entry(document: Document, name: str, entry: object) -> Iterator[Problem]:
    at: Path_ = (GROUP, "hosts", name)
    if not re.fullmatch(HOST_NAME_PATTERN, name):
        cure = "It takes lower-case letters, digits and hyphens, and begins with a letter."
        yield Problem(document.key_place(at), name, f"{quoted(name)} is no short name.", cure)
    if not isinstance(entry, dict):
        yield Problem(
            document.key_place(at),
            name,
            "The entry is empty.",
            "Write its keys below the name, indented by two more spaces.",
        )
        return
    for key in entry:
        yield from _key(document, name, (*at, key), key)
    yield from _values(document, name, at, entry)


def _key(document: Document, name: str, at: Path_, key: str) -> Iterator[Problem]:
    place = document.key_place(at)
    if SECRET_KEY.search(key):
        return  # said by _secrets
    if key in FIELDS:
        if set_by_operator(key):
            yield Problem(
                place,
                f"{name}: {key}",
                "This is the operator's to set.",
                "Take it out; it holds for the whole fleet, in group_vars/.",
            )
    elif near := nearest(key, [field for field in FIELDS if not field.startswith(DEMO_ONLY)]) or _with_prefix(key):
        yield Problem(place, name, f"{quoted(key)} is no key of an entry.", f"Did you mean {near}?")
    else:
        cure = "docs/entry.md lists all keys. What an operator sets for one host belongs in host_vars/."
        yield Problem(place, name, f"{quoted(key)} is no key of an entry.", cure)


def _with_prefix(key: str) -> str:
    return nearest(f"instance_{key}", [field for field in FIELDS if field.startswith("instance_")])


def _values(document: Document, name: str, at: Path_, value: object) -> Iterator[Problem]:
    """An entry holds plain values: none is missing, none is a template that Ansible would run on the controller."""
    label = explain.field(name, at[3:])
    if value is None:
        yield Problem(
            document.key_place(at), label, "It has no value.", "Write one behind the colon, or take the line out."
        )
    elif isinstance(value, Vaulted):
        yield Problem(document.place(at), label, "It is encrypted.", "Nothing in an entry is secret: write it out.")
    elif isinstance(value, str) and TEMPLATE.search(value):
        yield Problem(
            document.place(at),
            label,
            f"{quoted(value)} is a template.",
            "Write the value itself; templates are the operator's.",
        )
    for step, part in explain.parts(value):
        yield from _values(document, name, (*at, step), part)


def _shared_file(document: Document) -> Iterator[Problem]:
    """In an operator's file, what looks like a key of the entry must be one."""

    def walk(data: object, path: Path_) -> Iterator[Problem]:
        if not isinstance(data, dict):
            return
        for key, value in data.items():
            if key.startswith("instance_") and key not in FIELDS and key not in OPERATORS_OWN:
                near = nearest(key, [*FIELDS, *OPERATORS_OWN])
                cure = f"Did you mean {near}?" if near else "docs/entry.md lists all keys."
                yield Problem(document.key_place((*path, key)), "", f"{quoted(key)} is no key of an entry.", cure)
            elif not key.startswith("instance_"):
                yield from walk(value, (*path, key))

    yield from walk(document.data, ())


def _secrets(document: Document, value: object, path: Path_, *, inside: bool = False) -> Iterator[Problem]:
    """A secret in plain text; the message never repeats it."""
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    secret = inside or bool(SECRET_KEY.search(key))
    if isinstance(value, str) and not isinstance(value, Vaulted):
        is_key = PRIVATE_KEY in value and "BEGIN" in value
        if VAULT_TEXT in value[:20]:
            yield Problem(
                document.place(path),
                key,
                "The encrypted text has no !vault before it.",
                "Write !vault | behind the key, then the text.",
            )
        elif (secret and value.strip() and not TEMPLATE.search(value)) or is_key:
            cure = "Take it out and change it: it is known now. Encrypt the new one: ansible-vault encrypt_string."
            yield Problem(document.place(path), key, _SECRET, cure)
    elif secret and isinstance(value, int) and not isinstance(value, bool):
        yield Problem(
            document.place(path),
            key,
            _SECRET,
            "Take it out and change it: it is known now. Encrypt the new one: ansible-vault encrypt_string.",
        )
    for step, part in explain.parts(value):
        yield from _secrets(document, part, (*path, step), inside=secret)


def _host(fleet: Fleet, host: Host) -> Iterator[Problem]:
    """What holds for an instance in the end fits the model; a problem is shown where its value stands."""
    for place in host.twice:
        first = f"{host.place.file.name}, line {host.place.line}"
        yield Problem(
            place, host.name, f"{quoted(host.name)} has an entry already: {first}.", "Give one of them another name."
        )
    if host.name in fleet.parents or host.name in {"all", "ungrouped", "localhost"}:
        yield Problem(
            host.place,
            host.name,
            f"{quoted(host.name)} is the name of a group, or one that Ansible keeps.",
            "Choose another short name.",
        )
    known = {name: value for name, value in host.effective.items() if name in FIELDS}
    unknown = [name for name in host.own if name not in FIELDS]
    typos = {near for name in unknown if (near := nearest(name, list(FIELDS)) or _with_prefix(name))}
    # A template of the operator's is looked at by the role instance, when Ansible has evaluated it
    templated = {name for name, value in known.items() if explain.any_part(value.data, _is_template)}
    empty = {
        name
        for name, value in known.items()
        if explain.any_part(value.data, lambda part: part is None or isinstance(part, Vaulted))
    }
    data = {name: value.data for name, value in known.items() if name not in templated}
    for error in explain.errors(data):
        name = str(error.path[0])
        if name in templated | empty or (error.missing and name in typos) or (not host.own and not host.effective):
            continue
        yield _problem(host, known, error)


def _problem(host: Host, known: dict[str, Value], error: explain.Error) -> Problem:
    name, rest = str(error.path[0]), error.path[1:]
    if name not in known:
        return Problem(host.place, host.name, error.wrong, error.cure)
    at = known[name].key_place(rest) if error.about_key else known[name].place(rest)
    return Problem(at, explain.field(host.name, error.path), error.wrong, error.cure)


def _is_template(value: object) -> bool:
    return isinstance(value, str) and bool(TEMPLATE.search(value))
