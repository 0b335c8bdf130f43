"""Every problem of an inventory at once: its files, each entry by the model, and what only shows when all are seen."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from meentwerk.entries import between, explain, values
from meentwerk.entries.document import Document, Path_, Unread, Vaulted
from meentwerk.entries.fleet import DEPARTMENTS, GROUP, Fleet, Host, Value, load
from meentwerk.entries.model import FIELDS, set_by_operator
from meentwerk.entries.names import HOST_NAME_PATTERN
from meentwerk.entries.problem import Place, Problem, listed, nearest, quoted

# What else of ours may stand in an operator's files under the prefix of the entry
OPERATORS_OWN = ("instance_secrets", "instance_deployed", "instance_decommissioned")
SECRET_KEY = re.compile(
    r"(?i)((password|passwd|passphrase|wachtwoord|passwort)s?"
    r"|(^|[_-])(pwd|secrets?|tokens?|(private|secret|api|access)[_-]?keys?|secret[_-]key[_-]base|credentials?))$"
)
PRIVATE_KEY = "PRIVATE KEY-----"
VAULT_TEXT = "$ANSIBLE_VAULT;"
TEMPLATE = re.compile(r"\{\{|\{%|\{#")


def check(sources: Sequence[Path], extra: dict[Path, bytes] | None = None) -> tuple[Fleet, list[Problem]]:
    """Read inventories and return them with every problem, in the order of files and lines."""
    fleet = load(sources, extra)
    problems = set(fleet.problems)
    secret: set[Place] = set()
    for document in fleet.departments:
        problems.update(_department_file(document))
    for is_entry, document in [(True, each) for each in fleet.departments] + [(False, each) for each in fleet.shared]:
        for path, problem in _secrets(document, document.data, (), is_entry=is_entry):
            problems.add(problem)
            secret |= {document.place(path), document.key_place(path)}
    for document in fleet.shared:
        problems.update(_shared_file(document))
    for host in fleet.instances():
        problems.update(_host(fleet, host))
    problems.update(between.check(fleet))
    if not any(fleet.instances()) and not problems:
        wrong, cure = f"No host is in the group {GROUP}.", "Add an entry: scripts/new-department"
        problems.add(Problem(Place(fleet.sources[0]), "", wrong, cure))
    # What is a secret is said once, and by nobody who quotes it
    return fleet, sorted(problem for problem in problems if problem.place not in secret or problem.wrong in _SECRETS)


_SECRET = "A secret stands here in plain text."  # noqa: S105  # a sentence
_VAULT = "Encrypted text stands here."
_UNMARKED = "The encrypted text has no !vault before it."
_MISPLACED = "This is a key for a secret; an entry has none."
_SECRETS = (_SECRET, _VAULT, _UNMARKED, _MISPLACED)
_TELL = "Take it out and tell the operator: it is known now and has to be changed."
_CHANGE = "Take it out and change it: it is known now. Encrypt the new one: ansible-vault encrypt_string."


def _department_file(document: Document) -> Iterator[Problem]:
    """A department's file holds its instances and nothing else."""
    data = document.data
    if document.problems and data is None:
        return
    if not isinstance(data, dict):
        wrong = "The file is empty." if data is None else "The file holds no entry."
        yield Problem(
            Place(document.file) if data is None else document.place(()),
            "",
            wrong,
            f"It begins with {GROUP}:, then hosts: and the name. scripts/new-department writes one.",
        )
        return
    for key in data:
        if key != GROUP:
            near = "" if GROUP in data else nearest(key, [GROUP])
            cure = f"Did you mean {near}?" if near else f"A department's file holds {GROUP} only."
            if key == "hosts" and GROUP not in data:
                cure = f"Write {GROUP}: above it, and indent everything by two more spaces."
            yield Problem(document.key_place((key,)), "", f"{quoted(key)} does not belong here.", cure)
    if GROUP in data:
        yield from _group(document, data[GROUP])


def _group(document: Document, group: object) -> Iterator[Problem]:
    """Below the group stands hosts: and nothing else, below that the instances by name."""
    if not isinstance(group, dict):
        wrong = "Nothing stands below it." if group is None else f"{values.kind(group)} stands where hosts: belongs."
        cure = "Write hosts: below it, then the name of the instance."
        yield Problem(document.key_place((GROUP,)), GROUP, wrong, cure)
        return
    for key, value in group.items():
        if key != "hosts":
            cure = "What holds for several hosts is the operator's: group_vars/."
            if nearest(key, ["hosts"]):
                cure = "Did you mean hosts?"
            elif "hosts" not in group and isinstance(value, dict) and value.keys() & FIELDS.keys():
                cure = "Write hosts: above it, and indent the entry by two more spaces."
            yield Problem(document.key_place((GROUP, key)), GROUP, f"{quoted(key)} does not belong here.", cure)
    hosts = group.get("hosts")
    if "hosts" in group and (not isinstance(hosts, dict) or not hosts):
        wrong = "No instance is named." if not hosts else f"{values.kind(hosts)} stands where names belong."
        cure = "Write the short name of the instance below hosts:, with a colon and without a hyphen, such as tides:"
        yield Problem(document.key_place((GROUP, "hosts")), GROUP, wrong, cure)
        return
    outdented = [name for name in hosts or {} if name in FIELDS]
    if outdented:
        wrong = f"{quoted(outdented[0])} stands beside the name of the instance, not below it."
        cure = "Indent the entry by two more spaces than its name."
        yield Problem(document.key_place((GROUP, "hosts", outdented[0])), GROUP, wrong, cure)
    for name, entry in (hosts or {}).items():
        if name not in FIELDS and not (outdented and entry is None):
            yield from _entry(document, name, entry)


def _short_name(name: str) -> str:
    rule = "It takes 63 lower-case letters, digits and hyphens at most, begins with a letter and ends without a hyphen."
    better = re.sub(r"[^a-z0-9]+", "-", name.partition(".")[0].lower()).strip("-")[:63]
    return f"{rule} For example: {better}" if name.isascii() and re.fullmatch(HOST_NAME_PATTERN, better) else rule


def _entry(document: Document, name: str, entry: object) -> Iterator[Problem]:
    at: Path_ = (GROUP, "hosts", name)
    if not re.fullmatch(HOST_NAME_PATTERN, name):
        yield Problem(document.key_place(at), name, f"{quoted(name)} is no short name.", _short_name(name))
    elif at in document.odd_keys:
        wrong = f"{quoted(name)} is a word that YAML does not read as text."
        yield Problem(document.key_place(at), name, wrong, "Choose another short name.")
    if not isinstance(entry, dict) or not entry:
        wrong = f"{values.kind(entry)} stands where the entry's keys belong." if entry else "The entry is empty."
        cure = "Write its keys below the name, indented by two more spaces."
        yield Problem(document.key_place(at), name, wrong, cure)
        return
    beside = dict(_beside(entry))
    for key in entry:
        if key not in beside:
            yield from _key(document, name, (*at, key), key)
    for group in dict.fromkeys(beside.values()):
        inner = [key for key, belongs in beside.items() if belongs == group]
        wrong = f"{listed([quoted(key) for key in inner], 'and')} {'stand' if len(inner) > 1 else 'stands'} beside it, "
        place = document.key_place((*at, group))
        yield Problem(
            place, f"{name}: {group}", f"{wrong}not below it.", "Indent what belongs to it by two more spaces."
        )
    for key, value in entry.items():
        if key not in beside and key not in beside.values() and not SECRET_KEY.search(key):
            yield from _values(document, name, (*at, key), value)


def _beside(entry: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield keys that stand beside the key they belong below, which has no value then; each with that key."""
    group = ""
    for key, value in entry.items():
        if key in FIELDS:
            group = key if value is None else ""
        elif group and key in explain.inner_keys(group):
            yield key, group


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
    elif near := explain.near_key(key):
        yield Problem(place, name, f"{quoted(key)} is no key of an entry.", f"Did you mean {near}?")
    else:
        cure = "docs/entry.md lists all keys. What an operator sets for one host belongs in host_vars/."
        yield Problem(place, name, f"{quoted(key)} is no key of an entry.", cure)


def _values(document: Document, name: str, at: Path_, value: object) -> Iterator[Problem]:
    """An entry holds plain values: none is missing, none is a template that Ansible would run on the controller."""
    label = explain.field(name, at[3:])
    if value is None:
        cure = "Write one behind the colon, or take the line out."
        if at in document.commented:
            cure = "What begins with # is a note for readers. If it is meant as text, put the text in quotes."
        elif explain.is_required(at[3:]):
            cure = f"Write one, for example:{explain.example(at[3:])}"
        yield Problem(document.key_place(at), label, "It has no value.", cure)
    elif isinstance(value, Vaulted):
        yield Problem(document.place(at), label, _VAULT, "Nothing in an entry is secret: write it out.")
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
                own = {name.removeprefix("instance_"): name for name in OPERATORS_OWN}
                near = explain.near_key(key) or own.get(nearest(key.removeprefix("instance_"), list(own)), "")
                cure = f"Did you mean {near}?" if near else "docs/entry.md lists all keys."
                yield Problem(document.key_place((*path, key)), "", f"{quoted(key)} is no key of an entry.", cure)
            elif not key.startswith("instance_"):
                yield from walk(value, (*path, key))

    yield from walk(document.data, ())


def _secrets(
    document: Document, value: object, path: Path_, *, is_entry: bool, inside: bool = False
) -> Iterator[tuple[Path_, Problem]]:
    """Yield secrets in plain text with their path; the message never repeats one."""
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    label = explain.field(str(path[2]), path[3:]) if is_entry and len(path) > _TO_ENTRY else key
    secret = inside or bool(SECRET_KEY.search(key))
    if is_entry and secret and len(path) > _TO_ENTRY:
        # One message for all that stands below: the department takes it out as a whole
        wrong, cure = (_SECRET, _TELL) if explain.any_part(value, _is_plain) else (_MISPLACED, "Take the line out.")
        yield path, Problem(document.key_place(path), label, wrong, cure)
        return
    if isinstance(value, str) and not isinstance(value, Vaulted):
        if VAULT_TEXT in value[:20]:
            if is_entry:
                wrong, cure = _VAULT, "Nothing in an entry is secret: write it out."
            else:
                wrong, cure = _UNMARKED, "Write !vault | behind the key, then the text."
            yield path, Problem(document.place(path), label, wrong, cure)
        elif (secret and _is_plain(value)) or (PRIVATE_KEY in value and "BEGIN" in value):
            yield path, Problem(document.place(path), label, _SECRET, _TELL if is_entry else _CHANGE)
    elif secret and _is_plain(value):
        yield path, Problem(document.place(path), label, _SECRET, _TELL if is_entry else _CHANGE)
    for step, part in explain.parts(value):
        yield from _secrets(document, part, (*path, step), is_entry=is_entry, inside=secret)


_TO_ENTRY = 3  # mastodon_instances, hosts, the name


def _is_plain(value: object) -> bool:
    """Say whether a value could be a secret that everybody can read."""
    if isinstance(value, str):
        return bool(value.strip()) and not isinstance(value, Vaulted) and not TEMPLATE.search(value)
    return isinstance(value, int | float | bytes) and not isinstance(value, bool)


def _host(fleet: Fleet, host: Host) -> Iterator[Problem]:
    """What holds for an instance in the end fits the model; a problem is shown where its value stands."""
    if host.name in FIELDS and host.place.file.parent.name == DEPARTMENTS:
        return  # an entry that is not indented; said already
    for place in host.twice:
        for here, there in ((place, host.place), (host.place, place)):
            if here.file != there.file or here is place:
                wrong = f"{quoted(host.name)} has an entry already: {there.file.name}, line {there.line}."
                yield Problem(here, host.name, wrong, "Give one of them another name.")
    if (host.name in fleet.parents and re.fullmatch(HOST_NAME_PATTERN, host.name)) or host.name in _KEPT:
        yield Problem(
            host.place,
            host.name,
            f"{quoted(host.name)} is the name of a group, or one that Ansible keeps.",
            "Choose another short name.",
        )
    if not host.own:
        if host.place.file.parent.name != DEPARTMENTS and "instance_domain" not in host.effective:
            near = nearest(host.name, [other.name for other in fleet.instances() if other.own])
            cure = f"Did you mean {near}?" if near else "Add one: scripts/new-department. Or take the name out here."
            yield Problem(host.place, host.name, f"{quoted(host.name)} has no entry in {DEPARTMENTS}/.", cure)
        if "instance_domain" not in host.effective:
            return
    known = {name: value for name, value in host.effective.items() if name in FIELDS}
    typos = {near for name in host.own if (near := explain.near_key(name))}
    # A template of the operator's is looked at by the role instance, when Ansible has evaluated it
    templated = {name for name, value in known.items() if explain.any_part(value.data, _is_template)}
    empty = {name for name, value in known.items() if explain.any_part(value.data, _is_said_elsewhere)}
    data = {name: value.data for name, value in known.items() if name not in templated}
    written = {
        path[len(value.path) - 1 :]: text
        for value in known.values()
        for path, text in value.document.written.items()
        if path[: len(value.path)] == value.path
    }
    for error in explain.errors(data, written):
        name = str(error.path[0])
        if name in templated | empty or (error.missing and name in typos):
            continue
        yield _problem(host, known, error)


_KEPT = ("all", "ungrouped", "localhost")


def _is_said_elsewhere(value: object) -> bool:
    return value is None or isinstance(value, Vaulted | Unread)


def _problem(host: Host, known: dict[str, Value], error: explain.Error) -> Problem:
    name, rest = str(error.path[0]), error.path[1:]
    if name not in known:
        return Problem(host.place, host.name, error.wrong, error.cure)
    at = known[name].key_place(rest) if error.about_key else known[name].place(rest)
    return Problem(at, explain.field(host.name, error.path), error.wrong, error.cure)


def _is_template(value: object) -> bool:
    return isinstance(value, str) and bool(TEMPLATE.search(value))
