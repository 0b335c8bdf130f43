"""Lookup: ansible.builtin.template without a copy of all that is known about the host."""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.loader import lookup_loader  # type: ignore[import-untyped]
from ansible.plugins.lookup import LookupBase  # type: ignore[import-untyped]

DOCUMENTATION = r"""
name: meentwerk_template
short_description: A template's text, rendered without copying every variable first
description:
  - The same as the lookup ansible.builtin.template, with its options. That one makes a deep copy of all variables for
    each template, which took a quarter of the controller's time in a run of site.yml (docs/performance.md); the action
    ansible.builtin.template makes a shallow one, and so does this lookup.
options:
  _terms: {description: "Templates, looked for in the role's folder.", type: list, elements: str, required: true}
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: Write what the journal keeps
  meentwerk_files:
    files:
      - path: /etc/systemd/journald.conf.d/50-meentwerk.conf
        content: "{{ lookup('meentwerk_template', 'journald.conf.j2') }}"
"""
RETURN = r"""
_raw: {description: The rendered texts., type: list, elements: str}
"""


class _Shallow(dict[str, Any]):
    """Variables of which a deep copy is a shallow one: a template reads them and changes none."""

    def __deepcopy__(self, _memo: dict[int, Any]) -> dict[str, Any]:
        return dict(self)


class LookupModule(LookupBase):  # type: ignore[misc]
    """Renders templates."""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any], **options: object) -> list[str]:
        """Return one text for each template."""
        builtin = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        return list(builtin.run(terms, variables=_Shallow(variables), **options))
