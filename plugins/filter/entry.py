"""The model of the entry for Ansible: what is wrong with the values of one instance."""

from typing import Any

from ansible.errors import AnsibleFilterError  # type: ignore[import-untyped]

try:
    from meentwerk.entries import evaluated
except ImportError as missing:
    raise AnsibleFilterError(
        "the package meentwerk is not installed beside Ansible: run scripts/bootstrap, then . .venv/bin/activate"
    ) from missing


class FilterModule:
    """The filters, as Ansible loads them."""

    def filters(self) -> dict[str, Any]:
        """Return filters by name."""
        return {"meentwerk_entry_problems": lambda variables, host: evaluated.problems(host, variables)}
