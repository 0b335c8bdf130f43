"""Module: see which Debian packages are installed."""

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = r"""
module: meentwerk_packages
short_description: See which Debian packages are installed, by name and version
description:
  - Gives the fact C(packages), as ansible.builtin.package_facts does, of which roles here ask for names only. That one
    opens apt's cache, which takes a second, and tells six things of each package, which Ansible then copies for each
    task. This asks dpkg. Changes nothing.
author: Meentwerk contributors
"""
EXAMPLES = r"""
- name: See which packages are there
  meentwerk_packages:
"""
RETURN = r"""
ansible_facts:
  description: "C(packages): version by name."
  type: dict
  returned: always
  sample: {packages: {nginx: 1.26.3-3+deb13u1}}
"""
QUESTION = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package} ${Version}\n"]


def installed(answer: str) -> dict[str, str]:
    """Read dpkg's answer: a line of status, name and version for each package that it has heard of."""
    rows = [line.split() for line in answer.splitlines()]
    return {row[1]: row[2] for row in rows if row[0] == "installed"}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    _, answer, _ = module.run_command(QUESTION, check_rc=True, expand_user_and_vars=False)
    module.exit_json(changed=False, ansible_facts={"packages": installed(answer)})


if __name__ == "__main__":
    main()
