"""What is wrong in an inventory: where, what, and what would be right. Neither may hold a secret."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path

SHOWN = 80


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A place in a file; line and column count from 1, and 0 where the file as a whole is meant."""

    file: Path
    line: int = 0
    column: int = 0


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing that is wrong: `field` as a person says it (`tides: instance_domain`), `cure` what would be right."""

    place: Place
    field: str
    wrong: str
    cure: str

    def text(self, base: Path) -> str:
        """Return the problem in two or three lines, its file relative to `base` where it lies below."""
        where = str(relative(self.place.file, base))
        if self.place.line:
            where += f":{self.place.line}:{self.place.column}"
        head = f"{where}  {self.field}" if self.field else where
        # A name or key may hold anything; what is printed moves no cursor
        return printable(f"{head}\n    {self.wrong}\n    {self.cure}")

    def record(self, base: Path) -> dict[str, object]:
        """Return the problem for a machine."""
        record: dict[str, object] = asdict(self.place)
        record["file"] = str(relative(self.place.file, base))
        return record | {"field": self.field, "wrong": self.wrong, "cure": self.cure}


class Wrong(ValueError):  # noqa: N818  # not an error of the program: a value that is not right
    """Says that a value cannot be right, and what would be."""

    def __init__(self, wrong: str, cure: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.cure = cure


def relative(path: Path, base: Path) -> Path:
    """Return `path` as seen from `base`, or as it is where it lies elsewhere."""
    return path.relative_to(base) if path.is_relative_to(base) else path


def shortened(name: str) -> str:
    """Return a name as a label: on one line, and not too long."""
    return quoted(name)[1:-1]


def printable(text: str) -> str:
    """Return a text whose characters all show themselves, line breaks aside."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def quoted(value: object) -> str:
    """Return a value as a message quotes it: in guillemets, on one line, not too long, nothing that moves a cursor."""
    text = value if isinstance(value, str) else repr(value)
    text = printable(text[: SHOWN + 1]).replace("\n", "\N{REPLACEMENT CHARACTER}")
    return f"«{text[:SHOWN]}…»" if len(text) > SHOWN else f"«{text}»"


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the known word that was probably meant, or nothing."""
    lower = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else ""


def listed(words: Sequence[str], last: str = "or") -> str:
    """Return words as a sentence lists them: a, b or c."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
