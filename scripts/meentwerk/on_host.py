"""One command on an instance's host, over the connection that the inventory describes, as Ansible would make it.

The command's input goes through the connection and nowhere else: no argument, no file, no module's log on the host.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.inventory import Inventory

NOT_REACHED = 255  # of ssh
TIMEOUT = 15  # seconds until a connection must stand


# Without any input Ansible's ssh takes a terminal, which mixes what a program says with what it complains about
NO_INPUT = b"\n"


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


class Host:
    """A host of an inventory. Its own variables say how to connect and how to become root (ansible_become_*)."""

    def __init__(self, inventory: Inventory, name: str) -> None:
        self.name = name
        self._inventory = inventory

    def run(self, argv: Sequence[str], stdin: str) -> Finished:
        """Run `argv` as root, with `stdin` as its input.

        Raises UsageError when the inventory describes no connection, and MeentwerkError when the host is not reached or
        does not let anyone become root.
        """
        from ansible.errors import (  # type: ignore[import-untyped]  # noqa: PLC0415
            AnsibleAuthenticationFailure,
            AnsibleConnectionFailure,
            AnsibleError,
        )

        try:
            connection = self._connect()
            command = self._as_root(connection, shlex.join(argv))
            code, stdout, stderr = connection.exec_command(command, in_data=stdin.encode() or NO_INPUT, sudoable=True)
        except AnsibleAuthenticationFailure:
            raise MeentwerkError(
                f"{self.name}: the host does not let us in",
                f"check user, key and become password: ansible {self.name} -b -m ping",
                Exit.NOT_ALLOWED,
            ) from None
        except AnsibleConnectionFailure as error:
            raise self._not_reached(str(error)) from None
        except AnsibleError as error:
            raise UsageError(f"{self.name}: {_first_line(str(error))}", self._look()) from None
        finished = Finished(code, stdout.decode(errors="replace"), stderr.decode(errors="replace"))
        if code == NOT_REACHED:
            raise self._not_reached(finished.stderr)
        return finished

    def _connect(self) -> Any:  # noqa: ANN401  # Ansible has no types
        from ansible import constants  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415
        from ansible.playbook.play_context import PlayContext  # type: ignore[import-untyped]  # noqa: PLC0415
        from ansible.plugins.loader import (  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415
            become_loader,
            connection_loader,
        )

        wanted = self._inventory.evaluated(
            self.name, ("ansible_connection", "ansible_become", "ansible_become_method", "ansible_host")
        )
        connection = connection_loader.get(str(wanted.get("ansible_connection", "ssh")), PlayContext())
        if connection is None:
            raise UsageError(f"{self.name}: there is no connection {wanted['ansible_connection']!r}", self._look())
        if wanted.get("ansible_become", True):
            connection.set_become_plugin(become_loader.get(wanted.get("ansible_become_method", "sudo")))
        keys = {"remote_addr": wanted.get("ansible_host", self.name), "timeout": TIMEOUT, "become": True}
        for kind, plugin in (("connection", connection), ("shell", connection._shell), ("become", connection.become)):
            if plugin is not None:
                names = constants.config.get_plugin_vars(kind, plugin._load_name)
                options = self._inventory.evaluated(self.name, (*names, "inventory_hostname"))
                plugin.set_options(task_keys=keys, var_options={"inventory_hostname": self.name, **options})
        connection.set_option("host", keys["remote_addr"]) if connection.transport == "ssh" else None
        return connection

    @staticmethod
    def _as_root(connection: Any, command: str) -> str:  # noqa: ANN401
        """Return the command as sudo runs it, unless root connects already."""
        become = connection.become
        user = connection.get_option("remote_user") if connection.transport == "ssh" else None
        if become is None or user == (become.get_option("become_user") or "root"):
            connection.set_become_plugin(None)
            return command
        wrapped: str = become.build_become_command(command, connection._shell)
        return wrapped

    def _not_reached(self, text: str) -> MeentwerkError:
        return MeentwerkError(f"{self.name} is not reached: {_first_line(text)}", self._look())

    def _look(self) -> str:
        return f"try: ansible {self.name} -i {self._inventory.folder} -b -m ansible.builtin.ping"


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")[:300]
