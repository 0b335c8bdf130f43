"""The command lies in the role, as it lies on a host: find it in the tree."""

import sys
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles/backup/files"
sys.path.insert(0, str(FILES))

from meentwerk_backup.tools import Config, Repository  # noqa: E402  (the path is set above)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of a host that lies in a folder."""
    values: dict[str, Any] = dict.fromkeys(Config.__annotations__, "")
    values |= {name: tmp_path / name for name, kind in Config.__annotations__.items() if kind == "Path"}
    values |= {"instance": "tides", "domain": "tides.example.org", "stanza": "tides", "settings": {}}
    values["repositories"] = [Repository("near", 1, False, "/srv/near", [], {})]
    return Config(**values)
