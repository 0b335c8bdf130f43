"""From the options of a command, or an instance of the inventory, to the ways to a server."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meentwerk.errors import UsageError
from meentwerk.moderation.audit import AuditLog
from meentwerk.moderation.server import Api, ByBatch
from meentwerk.moderation.work import Ways

if TYPE_CHECKING:
    from meentwerk.inventory import Inventory

AUDIT_NAME = "moderation-audit.jsonl"
POLICY_VARIABLE = "moderation_policy"
TOKEN_VARIABLE = "MEENTWERK_TOKEN"  # noqa: S105  # a name, not a secret


@dataclass(frozen=True)
class Target:
    """What the options say about the server and the policy."""

    policy: Sequence[Path] = ()
    server: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    address: str | None = None
    instance: str | None = None
    inventory: Path | None = None
    prefer: str = "auto"
    account: str | None = None
    audit: Path | None = None
    patience: float = 1800.0


@dataclass(frozen=True)
class Connected:
    """The layers, the ways to the server, and where changes are written down."""

    policy: tuple[Path, ...]
    ways: Ways | None
    audit: AuditLog


def connect(target: Target, *, needs_server: bool = True, needs_policy: bool = True) -> Connected:
    """Resolve the options; nothing is sent yet. UsageError for what does not fit together."""
    inventory = _inventory(target)
    policy = tuple(target.policy) or _policy_of(inventory, target)
    if not policy and needs_policy:
        raise UsageError("no policy", "give --policy FILE, once for each layer, the most general first")
    for file in policy:
        if not file.is_file():
            raise UsageError(f"there is no layer {file}", "give --policy FILE, once for each layer")
    ways = _ways(target, inventory) if needs_server or target.server or inventory else None
    folder = policy[0].parent if policy else Path()
    return Connected(policy, ways, AuditLog(target.audit or folder / AUDIT_NAME))


def _inventory(target: Target) -> "Inventory | None":
    if target.instance is None:
        return None
    if target.inventory is None:
        raise UsageError("an instance is known by its inventory", "give --inventory FOLDER")
    from meentwerk.inventory import Inventory, Vault  # noqa: PLC0415  # Ansible takes half a second to load

    inventory = Inventory(target.inventory, Vault())
    inventory.require_instance(target.instance)
    return inventory


def _policy_of(inventory: "Inventory | None", target: Target) -> tuple[Path, ...]:
    if inventory is None or target.instance is None:
        return ()
    value = inventory.evaluated(target.instance, (POLICY_VARIABLE,)).get(POLICY_VARIABLE, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{POLICY_VARIABLE} of {target.instance} is no list of files", "list the layers' files in it")
    return tuple(Path(item).expanduser() for item in value)


def _ways(target: Target, inventory: "Inventory | None") -> Ways:
    import os  # noqa: PLC0415

    url = target.server
    batch = None
    if inventory is not None and target.instance is not None:
        url = url or _address_of(inventory, target.instance)
        batch = _batch(inventory, target.instance, target.account)
    if url is None:
        raise UsageError("no server", "give --server https://social.example.org, or --instance and --inventory")
    from meentwerk.api.server import Server  # noqa: PLC0415

    server = Server.parse(url, target.ca_file, target.address)
    api = None
    has_token = target.token_file is not None or bool(os.environ.get(TOKEN_VARIABLE))
    if target.prefer != "batch" and (has_token or batch is None):
        from meentwerk.api.client import Client  # noqa: PLC0415
        from meentwerk.api.token import read_token  # noqa: PLC0415
        from meentwerk.api.waiting import Patience  # noqa: PLC0415

        api = Api(Client(server, read_token(target.token_file), patience=Patience(target.patience)))
    return Ways(server.host, api, batch, target.prefer)


def _address_of(inventory: "Inventory", name: str) -> str:
    values: dict[str, Any] = {key: inventory.value(name, key) for key in ("instance_web_domain", "instance_domain")}
    domain = values["instance_web_domain"] or values["instance_domain"]
    if not domain:
        raise UsageError(f"{name} has no instance_domain", "see what is wrong: scripts/validate-inventory")
    return f"https://{domain}"


def _batch(inventory: "Inventory", name: str, account: str | None) -> ByBatch:
    from meentwerk.batch import HostBatch  # noqa: PLC0415
    from meentwerk.on_host import Host  # noqa: PLC0415

    return ByBatch(HostBatch(Host(inventory, name)), account)
