"""An Ansible inventory, its variables and its vault, read by Ansible's own library: a playbook sees the same."""

import stat
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from meentwerk.console import note
from meentwerk.errors import MeentwerkError, UsageError

ROOT = Path(__file__).resolve().parents[2]
INSTANCES_GROUP = "mastodon_instances"
# An entry may leave out what the role that reads it has a default for
ENTRY_DEFAULTS = ROOT / "roles/instance/defaults/main.yml"


@cache
def _start_ansible() -> None:
    """Load Ansible on first use: the import costs half a second, and the plugin loader may be set up only once."""
    import ansible.cli  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # sets the controller's state up
    from ansible.plugins.loader import init_plugin_loader  # type: ignore[import-untyped]  # noqa: PLC0415

    init_plugin_loader()


class Vault:
    """The vault identities of this run, found the way every Ansible command finds them.

    Sources, best first: `ids` (LABEL@SOURCE), ANSIBLE_VAULT_IDENTITY_LIST, `password_files`,
    ANSIBLE_VAULT_PASSWORD_FILE. An executable file is run and its output taken; the source `prompt` asks.
    """

    def __init__(self, ids: Sequence[str] = (), password_files: Sequence[str] = (), ask: bool = False) -> None:
        _start_ansible()
        from ansible import constants  # noqa: PLC0415
        from ansible.cli import CLI  # noqa: PLC0415
        from ansible.errors import AnsibleError  # type: ignore[import-untyped]  # noqa: PLC0415
        from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]  # noqa: PLC0415
        from ansible.parsing.vault import VaultLib, VaultSecretsContext  # type: ignore[import-untyped]  # noqa: PLC0415

        self.loader = DataLoader()
        try:
            secrets = CLI.setup_vault_secrets(
                self.loader,
                vault_ids=[*ids, *constants.DEFAULT_VAULT_IDENTITY_LIST],
                vault_password_files=list(password_files),
                ask_vault_pass=ask,
                auto_prompt=False,
                initialize_context=False,
            )
        except AnsibleError as error:
            raise UsageError(f"no vault password: {error}", "see docs/secrets.md, «The vault password»") from error
        if not secrets:
            raise UsageError(
                "no vault password: secrets are encrypted at birth, so one is needed",
                "set ANSIBLE_VAULT_PASSWORD_FILE, or give --vault-password-file FILE (docs/secrets.md)",
            )
        for _, secret in secrets:
            _warn_if_others_may_read(getattr(secret, "filename", None))
        self.loader.set_vault_secrets(secrets)
        # Variables decrypt themselves on use, by this process-wide context
        context = VaultSecretsContext.current(optional=True)
        if context is None:
            VaultSecretsContext.initialize(VaultSecretsContext(secrets))
        else:
            context.secrets[:] = secrets
        self._secrets = secrets
        self._encrypt_id: str | None = constants.DEFAULT_VAULT_ENCRYPT_IDENTITY
        self._library = VaultLib(secrets)

    def encrypt(self, text: str) -> str:
        """Return `text` as ansible-vault text of several lines."""
        from ansible.errors import AnsibleError  # noqa: PLC0415
        from ansible.parsing.vault import match_encrypt_secret  # noqa: PLC0415

        try:
            label, secret = match_encrypt_secret(self._secrets, self._encrypt_id)
        except AnsibleError as error:
            raise UsageError(str(error), "name a known identity in ANSIBLE_VAULT_ENCRYPT_IDENTITY") from error
        encrypted: bytes = self._library.encrypt(text, secret=secret, vault_id=label)
        return encrypted.decode()

    def decrypt(self, text: str) -> str | None:
        """Return the plain text, or None where no known password fits."""
        from ansible.errors import AnsibleError  # noqa: PLC0415

        try:
            plain: bytes = self._library.decrypt(text.strip().encode())
        except AnsibleError:
            return None
        return plain.decode()

    @staticmethod
    def is_encrypted(text: str) -> bool:
        """Say whether `text` is ansible-vault text."""
        return text.lstrip().startswith("$ANSIBLE_VAULT;")


def _warn_if_others_may_read(file: str | None) -> None:
    if file is None:
        return
    path = Path(file).expanduser()
    mode = path.stat().st_mode
    if not mode & stat.S_IXUSR and mode & (stat.S_IRGRP | stat.S_IROTH):
        note(f"warning: other users may read the vault password: chmod 600 {path}")


class Inventory:
    """One inventory source (a folder, or a file in it) with its hosts and variables."""

    def __init__(self, source: Path, vault: Vault) -> None:
        from ansible.errors import AnsibleError  # noqa: PLC0415
        from ansible.inventory.manager import InventoryManager  # type: ignore[import-untyped]  # noqa: PLC0415
        from ansible.vars.manager import VariableManager  # type: ignore[import-untyped]  # noqa: PLC0415

        if not source.exists():
            raise UsageError(f"no inventory at {source}", "give the folder with --inventory, e.g. inventories/demo")
        self.folder = source if source.is_dir() else source.parent
        if self.folder.name == "departments":
            # host_vars beside a department's file would be read by no playbook
            raise UsageError(f"{source} is a part of an inventory", f"give the whole: --inventory {self.folder.parent}")
        try:
            self._manager = InventoryManager(loader=vault.loader, sources=[str(source)])
            self._variables = VariableManager(loader=vault.loader, inventory=self._manager)
        except AnsibleError as error:
            raise UsageError(f"cannot read the inventory {source}: {error}", _see_ansible(source)) from error
        self._loader = vault.loader

    def instances(self) -> list[str]:
        """Names of the hosts that are instances: the group of that name, in the inventory's order."""
        if INSTANCES_GROUP not in self._manager.groups:
            return []
        return [host.name for host in self._manager.get_hosts(INSTANCES_GROUP)]

    def require_instance(self, name: str) -> None:
        """Refuse a name that is no instance of this inventory, and say which one may have been meant."""
        hosts = sorted(self._manager.hosts)
        known = self.instances() or hosts
        if name in known:
            return
        if name in hosts:
            raise UsageError(
                f"{name} is a host of {self.folder}, but no instance",
                f"instances are the hosts of the group {INSTANCES_GROUP}: {_some(known)}",
            )
        near = get_close_matches(name, known, n=1)
        raise UsageError(
            f"{self.folder} knows no host named {name!r}",
            f"did you mean {near[0]}?" if near else f"known instances: {_some(known)}",
        )

    def defines(self, host: str, variable: str) -> bool:
        """Say whether `variable` is set for `host`, without evaluating it."""
        return variable in self._of(host)

    def value(self, host: str, variable: str) -> Any:  # noqa: ANN401  # a variable holds anything
        """Return a variable of an entry as a play sees it, defaults and templates included; None where unset."""
        from ansible.errors import AnsibleError  # noqa: PLC0415
        from ansible.template import Templar  # type: ignore[import-untyped]  # noqa: PLC0415

        defaults = self._loader.load_from_file(str(ENTRY_DEFAULTS), trusted_as_template=True)
        variables = defaults | self._of(host)
        if variable not in variables:
            return None
        try:
            return Templar(loader=self._loader, variables=variables).template(variables[variable])
        except AnsibleError as error:
            raise UsageError(f"{host}: cannot evaluate {variable}: {error}", _see_ansible(self.folder, host)) from error

    def evaluated(self, host: str, names: Iterable[str]) -> dict[str, Any]:
        """Return those of the variables `names` that are set for `host`, with templates evaluated."""
        from ansible.errors import AnsibleError  # noqa: PLC0415
        from ansible.template import Templar  # noqa: PLC0415

        variables = self._of(host)
        templar = Templar(loader=self._loader, variables=variables)
        try:
            return {name: templar.template(variables[name]) for name in names if name in variables}
        except AnsibleError as error:
            raise UsageError(
                f"{host}: cannot evaluate its variables: {error}", _see_ansible(self.folder, host)
            ) from error

    def _of(self, host: str) -> dict[str, Any]:
        found = self._manager.get_host(host)
        if found is None:
            raise MeentwerkError(f"no host {host} in {self.folder}")
        variables: dict[str, Any] = self._variables.get_vars(host=found)
        return variables


def _see_ansible(source: Path, host: str | None = None) -> str:
    return f"see it with: ansible-inventory -i {source} --{'host ' + host if host else 'list'}"


def _some(names: Sequence[str], most: int = 8) -> str:
    if not names:
        return "none"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
