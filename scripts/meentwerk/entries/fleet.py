"""An inventory put together from its files, as Ansible does it, but with the place of every value.

Ansible's own reading takes half a minute for 1,600 entries and says nothing about places. This one covers what an
inventory of Meentwerk may hold: YAML files with groups, hosts and variables, group_vars/ and host_vars/.
tests/unit/entries/test_fleet.py compares it with ansible-inventory.
Precedence: docs.ansible.com, «Understanding variable precedence»; VARIABLE_PRECEDENCE has its default.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from meentwerk.entries.document import Document, Path_, parse, read
from meentwerk.entries.problem import Place, Problem

GROUP = "mastodon_instances"
DEPARTMENTS = "departments"
SUFFIXES = (".yml", ".yaml")
# What else Ansible's YAML plugin reads; the best first where a folder of variables has several of one name
OPERATORS_SUFFIXES = ("", *SUFFIXES, ".json")
# What Ansible passes over in a folder of inventory files, among it what it reads elsewhere
IGNORED = ("group_vars", "host_vars", "vars_plugins")
IGNORED_SUFFIXES = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")

PRIORITY = "ansible_group_priority"
# What an editor leaves behind; anything else that is no .yml in departments/ may be an entry that nobody reads
BACKUPS = (".swp", ".bak", "~", ".orig")


@dataclass(frozen=True, slots=True)
class Value:
    """A variable of a host or group, and where it stands: a document, and the path in it."""

    data: object
    document: Document
    path: Path_

    def place(self, rest: Path_ = ()) -> Place:
        """Return the place of the value, or of a part of it."""
        return self.document.place((*self.path, *rest))

    def key_place(self, rest: Path_ = ()) -> Place:
        """Return the place of the key of the value, or of a part of it."""
        return self.document.key_place((*self.path, *rest))


Variables = dict[str, Value]


@dataclass
class Host:
    """A host with what its files say of it; `own` is its entry, `effective` what holds after groups and host_vars."""

    name: str
    place: Place
    own: Variables = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    effective: Variables = field(default_factory=dict)
    twice: list[Place] = field(default_factory=list)


@dataclass
class Fleet:
    """An inventory: its documents, its hosts by name, and what is wrong with its files as such."""

    sources: tuple[Path, ...]
    documents: list[Document] = field(default_factory=list)
    departments: list[Document] = field(default_factory=list)
    shared: list[Document] = field(default_factory=list)
    hosts: dict[str, Host] = field(default_factory=dict)
    parents: dict[str, set[str]] = field(default_factory=dict)
    group_inline: dict[str, Variables] = field(default_factory=dict)
    host_vars: dict[str, Variables] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def instances(self) -> Iterator[Host]:
        """Yield the hosts that are instances, in the order of their files."""
        return (host for host in self.hosts.values() if GROUP in host.groups)


def load(sources: Sequence[Path], extra: Mapping[Path, bytes] | None = None) -> Fleet:
    """Read inventories (folders, or single files). `extra` holds files that are not written yet, by path."""
    fleet = Fleet(tuple(sources))
    group_vars: dict[str, Variables] = {}
    for source in sources:
        root = source if source.is_dir() else source.parent
        for file in _inventory_files(fleet, source):
            _add_inventory_file(fleet, file, root)
        for file, raw in (extra or {}).items():
            if file.is_relative_to(root):
                _add_inventory_file(fleet, file, root, raw)
        for folder, variables in (("group_vars", group_vars), ("host_vars", fleet.host_vars)):
            for name, file in _variable_files(fleet, root / folder):
                document = read(file, root, is_entry=False)
                fleet.shared.append(document)
                _merge(variables.setdefault(name, {}), document, ())
    fleet.documents = [*fleet.departments, *fleet.shared]
    fleet.problems += [problem for document in fleet.documents for problem in document.problems]
    _resolve(fleet, group_vars)
    return fleet


def _inventory_files(fleet: Fleet, source: Path) -> Iterator[Path]:
    """Yield the inventory files of a source, sorted as Ansible reads them; report what it could not read."""
    if not source.is_dir():
        yield source
        return
    for path in sorted(source.iterdir()):
        is_departments = path.parent.name == DEPARTMENTS
        ignored = BACKUPS if is_departments else IGNORED_SUFFIXES
        if path.name.startswith(".") or path.name in (*IGNORED, "README.md") or path.name.endswith(ignored):
            continue
        if path.is_dir():
            if path.is_symlink():
                wrong, cure = "This is a link to another folder.", "Put the folder itself here."
                fleet.problems.append(Problem(Place(path), "", wrong, cure))
            else:
                yield from _inventory_files(fleet, path)
        elif path.suffix in (SUFFIXES if is_departments else OPERATORS_SUFFIXES):
            yield path
        elif is_departments:
            wrong = "The file is not read as an entry: its name does not end in .yml."
            name = path.name.partition(".")[0] or "NAME"
            fleet.problems.append(Problem(Place(path), "", wrong, f"Rename it to {name}.yml, or remove it."))


def _variable_files(fleet: Fleet, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name of host or group, file) for a group_vars or host_vars folder: NAME, NAME.yml, or a folder NAME.

    Of several with one name Ansible reads the first of these and passes over the others (DataLoader.find_vars_files).
    """
    by_name: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.name.startswith(".") and not path.name.endswith("~"):
            by_name.setdefault(path.stem if path.suffix in OPERATORS_SUFFIXES else path.name, []).append(path)
    for name, paths in by_name.items():
        best, *others = sorted(paths, key=lambda path: _rank(path, name))
        for path in others:
            wrong = f"Nobody reads this: {best.name} stands beside it, and Ansible takes only one of them."
            fleet.problems.append(Problem(Place(path), "", wrong, f"Put what it says into {best.name}."))
        yield from ((name, file) for file in ([best] if not best.is_dir() else _files_in(best)))


def _rank(path: Path, name: str) -> int:
    return OPERATORS_SUFFIXES.index(path.name.removeprefix(name))


def _files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _files_in(path)
        elif path.is_file() and path.suffix in OPERATORS_SUFFIXES:
            yield path


def _add_inventory_file(fleet: Fleet, file: Path, root: Path, raw: bytes | None = None) -> None:
    is_entry = file.parent.name == DEPARTMENTS
    if raw is None:
        document = read(file, root, is_entry=is_entry)
    else:
        document = Document(file)
        parse(document, raw, is_entry=is_entry)
    (fleet.departments if is_entry else fleet.shared).append(document)
    if isinstance(document.data, dict):
        for group, body in document.data.items():
            _add_group(fleet, document, (group,), body)


def _add_group(fleet: Fleet, document: Document, path: Path_, body: object) -> None:
    """Add a group and what stands below it. A shape that is no group's is for the rules to complain about."""
    group = str(path[-1])
    fleet.parents.setdefault(group, set())
    if not isinstance(body, dict):
        return
    _merge(fleet.group_inline.setdefault(group, {}), document, (*path, "vars"), body.get("vars"))
    hosts = body.get("hosts")
    for name, variables in hosts.items() if isinstance(hosts, dict) else ():
        place = document.keys[(*path, "hosts", name)]
        host = fleet.hosts.setdefault(name, Host(name, place))
        if host.place != place and variables:
            # A file that only lists the host, such as groups.yml, may be read before its entry
            if host.own:
                host.twice.append(place)
            else:
                host.place = place
        host.groups.add(group)
        _merge(host.own, document, (*path, "hosts", name), variables)
    children = body.get("children")
    for name, child in children.items() if isinstance(children, dict) else ():
        fleet.parents.setdefault(name, set()).add(group)
        _add_group(fleet, document, (*path, "children", name), child)


def _merge(into: Variables, document: Document, path: Path_, data: object = None) -> None:
    data = document.data if not path else data
    if isinstance(data, dict):
        into |= {name: Value(value, document, (*path, name)) for name, value in data.items()}


def _resolve(fleet: Fleet, group_vars: Mapping[str, Variables]) -> None:
    """Give every host its groups, those above them, and the variables that hold for it in the end."""
    ancestors: dict[str, set[str]] = {}

    def above(group: str, seen: frozenset[str] = frozenset()) -> set[str]:
        if group not in ancestors:
            found = {group}
            for parent in fleet.parents.get(group, set()) - seen:
                found |= above(parent, seen | {group})
            ancestors[group] = found
        return ancestors[group]

    order: dict[frozenset[str], Variables] = {}
    for host in fleet.hosts.values():
        host.groups = {name for group in host.groups for name in above(group)} | {"all"}
        key = frozenset(host.groups)
        if key not in order:
            order[key] = _of_groups(fleet, host.groups, group_vars)
        host.effective = order[key] | host.own | fleet.host_vars.get(host.name, {})


def _of_groups(fleet: Fleet, groups: set[str], group_vars: Mapping[str, Variables]) -> Variables:
    """Merge the variables of groups: deeper groups win, then higher ansible_group_priority, then the later name."""

    def depth(group: str, seen: frozenset[str] = frozenset()) -> int:
        parents = fleet.parents.get(group, set()) - seen - {group}
        return 0 if group == "all" else 1 + max((depth(parent, seen | {group}) for parent in parents), default=0)

    def priority(group: str) -> int:
        value = fleet.group_inline.get(group, {}).get(PRIORITY)
        try:
            return int(str(value.data)) if value else 1
        except ValueError:
            return 1

    ordered = sorted(groups - {"all"}, key=lambda group: (depth(group), priority(group), group))
    variables: Variables = {}
    for group in ("all", *ordered):
        variables |= fleet.group_inline.get(group, {})
        # Ansible takes it for the group's own, not for its hosts
        variables.pop(PRIORITY, None)
    for group in ("all", *ordered):
        variables |= group_vars.get(group, {})
    return variables
