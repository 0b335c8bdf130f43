"""The entry as Ansible has evaluated it: the same model, where no file and no line is known any more.

It sees what the files alone cannot show: values that an operator's templates compute. The role `instance` asks it.
"""

import json
from pathlib import Path
from typing import Any

from meentwerk.entries import between, explain
from meentwerk.entries.document import Document
from meentwerk.entries.fleet import Host, Value
from meentwerk.entries.model import FIELDS
from meentwerk.entries.problem import Place


def problems(host: str, variables: dict[str, Any]) -> list[str]:
    """Return what is wrong with the values of one instance, a sentence with its cure each.

    `variables` holds keys of the entry, and `meentwerk_environment`; others are passed over.
    """
    plain = json.loads(json.dumps({name: value for name, value in variables.items() if value is not None}))
    document = Document(Path(host))
    effective = {name: Value(value, document, (name,)) for name, value in plain.items()}
    found = [
        f"{explain.field(host, error.path)}: {error.wrong} {error.cure}"
        for error in explain.errors({name: value for name, value in plain.items() if name in FIELDS})
    ]
    instance = Host(host, Place(document.file), effective=effective)
    return found + [f"{problem.field}: {problem.wrong} {problem.cure}" for problem in between.within(instance)]
