"""A YAML file read with care: every value knows its place, and what is odd about the file is a problem, not a crash.

Ansible reads the same files later, and otherwise: of two equal keys it takes the last, a tab ends in a message about
tokens, and an alias may stand for a million values. Here each of these is said in plain words.
"""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from meentwerk.entries.names import INVISIBLE
from meentwerk.entries.problem import Place, Problem, quoted
from meentwerk.entries.syntax import explain, marked

# libyaml's reader is ten times faster; both give the same events
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST_DEPTH = 20
MOST_VALUES = 20_000
MOST_BITS = 1024
ENTRY_BYTES = 64 * 1024
OTHER_BYTES = 1024 * 1024
VAULT_HEADER = "$ANSIBLE_VAULT;"

Path_ = tuple[str | int, ...]
Data = object

NO_TAG = "Take it out. If it is meant as text, put the text in quotes."
PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
}
VAULT_TAGS = ("!vault", "!vault-encrypted")


class Vaulted(str):
    """An ansible-vault value: encrypted text, which nothing here decrypts."""

    __slots__ = ()


class Unread(str):
    """A value that could not be read; what is wrong with it is said already."""

    __slots__ = ()


@dataclass
class Document:
    """A file as plain data, with the place of each key and value by its path, and what is wrong with it as a file."""

    file: Path
    data: Data = None
    values: dict[Path_, Place] = field(default_factory=dict)
    keys: dict[Path_, Place] = field(default_factory=dict)
    # How a value is written that YAML does not read as text: 0301, 12:30, yes
    written: dict[Path_, str] = field(default_factory=dict)
    # Keys that YAML does not read as text: yes, no, null, a number
    odd_keys: set[Path_] = field(default_factory=set)
    commented: set[Path_] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    most: int = MOST_VALUES
    # The page that says what the file should hold
    guide: str = "docs/entry.md"

    def place(self, path: Path_) -> Place:
        """Return the place of the value at a path, or of the nearest one around it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Place(self.file))

    def key_place(self, path: Path_) -> Place:
        """Return the place of the key at a path, or of the value it stands in."""
        return self.keys.get(path) or self.place(path)


def read(file: Path, root: Path, *, is_entry: bool) -> Document:
    """Read a file of the inventory at `root`; problems stand in the document. OSError is one of them, too."""
    document = Document(file)
    fill(document, root, ENTRY_BYTES if is_entry else OTHER_BYTES, is_entry=is_entry)
    return document


def fill(document: Document, root: Path, most_bytes: int, *, is_entry: bool) -> None:
    """Read a document's file, which must lie below `root`."""
    file = document.file
    if problem := _refuse_file(file, root, most_bytes):
        document.problems.append(Problem(Place(file), "", *problem))
        return
    try:
        raw = file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        document.problems.append(
            Problem(Place(file), "", f"The file cannot be read: {reason}.", "Check its owner and mode.")
        )
        return
    parse(document, raw, is_entry=is_entry)


def _refuse_file(file: Path, root: Path, most: int) -> tuple[str, str] | None:
    """Say why a file is not even opened: a link that leads out, no regular file, far too long."""
    try:
        real = file.resolve(strict=True)
        info = real.stat()
    except (OSError, RuntimeError):
        return "The link leads nowhere.", "Put the file itself here."
    if not real.is_relative_to(root.resolve()):
        return "The link leads out of the inventory.", "Put the file itself here: an inventory is whole by itself."
    if not stat.S_ISREG(info.st_mode):
        return "This is no regular file.", "Remove it; an inventory holds YAML files."
    if info.st_size > most:
        return (
            f"The file has {info.st_size // 1024} KiB; {most // 1024} KiB are allowed.",
            "Is it the right file? Entries are short.",
        )
    return None


def parse(document: Document, raw: bytes, *, is_entry: bool) -> None:
    """Fill a document from the bytes of its file."""
    text = _decode(document, raw)
    if text is None or text.startswith(VAULT_HEADER):
        if text is not None and is_entry:
            document.problems.append(
                Problem(
                    Place(document.file),
                    "",
                    "The file is encrypted as a whole.",
                    "Nothing in an entry is secret: decrypt it.",
                )
            )
        return
    if bad := _characters(document.file, text):
        document.problems.append(bad)
        return
    try:
        if problem := _refuse_structure(document.file, text, document.most, is_entry=is_entry):
            document.problems.append(problem)
            return
        node = yaml.compose(text, Loader=LOADER)
        if node is not None:
            document.data = _Builder(document, text, is_entry=is_entry).build(node, ())
    except yaml.MarkedYAMLError as error:
        document.problems.append(explain(document.file, text, error, document.guide))
    except yaml.YAMLError as error:
        document.problems.append(Problem(Place(document.file), "", "This is no YAML.", str(error).splitlines()[0]))


def _decode(document: Document, raw: bytes) -> str | None:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or raw[:4].count(0) == 2:  # noqa: PLR2004  # every second byte
        wrong = "The file is written in UTF-16."
        document.problems.append(
            Problem(Place(document.file), "", wrong, "Save it as UTF-8 (in the editor: «Save with encoding»).")
        )
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        wrong = "The file is not written in UTF-8: this character cannot be read."
        cure = "Save it as UTF-8 (in the editor: «Save with encoding»)."
        document.problems.append(Problem(Place(document.file, line, column), "", wrong, cure))
        return None


def _characters(file: Path, text: str) -> Problem | None:
    found = INVISIBLE.search(text)
    if not found:
        return None
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    wrong = f"Here stands the invisible character U+{ord(found[0]):04X}."
    return Problem(Place(file, line, column), "", wrong, "Type the line anew; it came along with a copy.")


def _refuse_cleverness(event: yaml.Event) -> tuple[str, str] | None:
    """Say why an entry holds no anchor, alias or tag: whoever reads it would have to know YAML."""
    anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
    if anchor:
        cure = "Write the value itself. If it is meant as text, put the text in quotes."
        if isinstance(event, yaml.AliasEvent):
            return f"{quoted('*' + anchor)} repeats a value from elsewhere.", cure
        return f"{quoted('&' + anchor)} marks a value to be repeated elsewhere.", cure
    if tag and tag not in VAULT_TAGS:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        return f"{quoted(shown)} begins with !, which YAML keeps for itself.", NO_TAG
    return None


def _refuse_structure(file: Path, text: str, most: int, *, is_entry: bool) -> Problem | None:
    """Look at the events alone, which needs no stack: depth, anchors, tags, documents, number of values."""
    depth = documents = count = 0
    sizes: dict[str, int] = {}
    open_anchors: list[tuple[str | None, int]] = []

    def problem(event: yaml.Event, wrong: str, cure: str) -> Problem:
        return Problem(marked(file, event.start_mark), "", wrong, cure)

    for event in yaml.parse(text, Loader=LOADER):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                return problem(event, "A second document begins here (---).", "Keep one document in a file.")
        if is_entry and (said := _refuse_cleverness(event)):
            return problem(event, *said)
        count += 1
        if isinstance(event, yaml.AliasEvent):
            if anchor not in sizes and any(name == anchor for name, _ in open_anchors):
                return problem(event, f"The alias *{anchor} stands inside what it repeats.", "Write out what is meant.")
            count += sizes.get(anchor or "", 0)
        elif isinstance(event, yaml.ScalarEvent) and anchor:
            sizes[anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            sizes.pop(anchor or "", None)
            open_anchors.append((anchor, count))
        elif isinstance(event, yaml.CollectionEndEvent):
            name, before = open_anchors.pop()
            if name:
                sizes[name] = count - before
        if count > most:
            return problem(
                event,
                f"The file stands for more than {most} values.",
                "Aliases (*name) multiply: write out what is meant.",
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            return problem(
                event,
                f"Lists and groups of keys stand in each other, {depth} deep.",
                f"{MOST_DEPTH} are allowed. Is a bracket or a hyphen typed twice?",
            )
    return None


class _Builder:
    """Turns YAML nodes into plain data as Ansible does (YAML 1.1), and notes places and problems on the way."""

    def __init__(self, document: Document, text: str, *, is_entry: bool) -> None:
        self.document = document
        self.lines = text.split("\n")
        self.is_entry = is_entry
        self.scalars = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, path: Path_) -> Data:
        self.document.values[path] = self.place(node)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN_TAGS:
            self.complain(self.place(node), f"{quoted(node.tag)} is a tag that is not used here.", NO_TAG)
            return Unread()
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, number)) for number, item in enumerate(node.value)]
        value = self.scalar(node)
        if not isinstance(value, str):
            self.document.written[path] = node.value
        key = self.document.keys.get(path)
        if value is None and key and re.search(r":\s+#", self.lines[key.line - 1][key.column - 1 :]):
            self.document.commented.add(path)
        return value

    def mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Data]:
        data: dict[str, Data] = {}
        for key_node, value_node in self.pairs(node):
            place = self.place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.complain(
                    place, "A key stands in brackets.", "A key is a word. Put a text that begins so in quotes."
                )
                continue
            key = str(key_node.value)
            if not key:
                self.complain(place, "There is no key before the colon.", "Write «key: value».")
                continue
            if not isinstance(self.scalar(key_node), str):
                self.document.odd_keys.add((*path, key))
            if key in data:
                first = self.document.keys[(*path, key)]
                cure = "Keep one of them"
                cure += "." if isinstance(value_node, yaml.ScalarNode) else ", with all that belongs below it."
                wrong = f"{quoted(key)} stands here a second time; the first is in line {first.line}."
                self.complain(place, wrong, cure)
                continue
            self.document.keys[(*path, key)] = place
            data[key] = self.build(value_node, (*path, key))
        return data

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """Yield a mapping's own pairs, then what it merges in (<<) and does not have itself."""
        own: set[str] = set()
        merged: list[yaml.MappingNode] = []
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:merge":
                if isinstance(key, yaml.ScalarNode):
                    own.add(key.value)
                yield key, value
                continue
            if self.is_entry:
                self.complain(self.place(key), f"{quoted('<<')} is no key.", "Write the keys out, one in a line.")
                continue
            wanted = value.value if isinstance(value, yaml.SequenceNode) else [value]
            merged += [part for part in wanted if isinstance(part, yaml.MappingNode)]
        for part in merged:
            for key, value in self.pairs(part):
                if isinstance(key, yaml.ScalarNode) and key.value not in own:
                    own.add(key.value)
                    yield key, value

    def scalar(self, node: yaml.Node) -> Data:
        tag = node.tag
        if tag in VAULT_TAGS:
            return Vaulted(node.value)
        if tag in {"!unsafe", "tag:yaml.org,2002:str"}:
            return str(node.value)
        if tag not in PLAIN_TAGS:
            self.complain(self.place(node), f"{quoted(tag)} is a tag that is not used here.", NO_TAG)
            return Unread()
        try:
            value: Data = self.scalars.construct_object(node)
        # What PyYAML's constructors raise for !!int x, !!bool x, !!timestamp x and the like
        except (ValueError, OverflowError, AttributeError, LookupError, TypeError):
            value = Unread()
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            value = Unread()
        if isinstance(value, Unread):
            wrong = f"{quoted(node.value)} looks like a number or a date, and is none."
            self.complain(self.place(node), wrong, "Put it in quotes.")
        return value

    def complain(self, place: Place, wrong: str, cure: str) -> None:
        self.document.problems.append(Problem(place, "", wrong, cure))

    def place(self, node: yaml.Node) -> Place:
        return Place(self.document.file, node.start_mark.line + 1, node.start_mark.column + 1)
