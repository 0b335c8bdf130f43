"""The JSON Schema of a layer, for editors that complete and check while one types; made from the model."""

import json
from typing import Any

from meentwerk.inventory import ROOT
from meentwerk.moderation.model import Layer

FILE = ROOT / "docs/moderation.schema.json"
HEAD = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A layer of a moderation policy"}


def text() -> str:
    """Return the schema (draft 2020-12)."""
    made = Layer.model_json_schema()
    made.pop("title", None)
    return json.dumps({**HEAD, **_plain(made)}, indent=2, ensure_ascii=False) + "\n"


def _plain(part: Any) -> Any:  # noqa: ANN401  # a JSON document holds anything
    """Take out the titles that repeat the names of keys, and formats that YAML's own dates do not have as text."""
    if isinstance(part, dict):
        return {
            key: _plain(value)
            for key, value in part.items()
            if not (key == "title" and isinstance(value, str)) and not (key == "format" and isinstance(value, str))
        }
    return [_plain(item) for item in part] if isinstance(part, list) else part
