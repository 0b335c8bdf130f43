"""What is wrong or doubtful in a list: where, what, and what would be right."""

from dataclasses import asdict, dataclass
from pathlib import Path

from meentwerk.entries.problem import printable


@dataclass(frozen=True, order=True)
class Finding:
    """One problem. `row` counts lines of the file from 1 (0: the file as a whole), `column` is its name."""

    row: int
    column: str
    wrong: str
    cure: str
    warning: bool = False

    def text(self, file: Path) -> str:
        """Return it in two lines; what a cell holds moves no cursor."""
        place = f"{file}:{self.row}" if self.row else str(file)
        head = f"{place}  {self.column}" if self.column else place
        kind = "warning: " if self.warning else ""
        return printable(f"{head}: {kind}{self.wrong}\n    {self.cure}")

    def record(self) -> dict[str, object]:
        """Return it for a machine."""
        return asdict(self)
