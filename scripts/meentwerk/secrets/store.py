"""Secrets files on disk: made once, completed, checked; never overwritten."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.files import locked_folder, remove_leftovers, replace_file
from meentwerk.inventory import Inventory, Vault
from meentwerk.secrets import catalogue, document

# Encrypted, and still not for every local user: ansible-vault's key derivation is quick enough to try passwords on.
# Those who share an inventory do so through version control, which sets its own modes.
MODE = 0o600


class Outcome(StrEnum):
    """What `init` did, or in check mode would do."""

    CREATED = "created"
    COMPLETED = "completed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True)
class Result:
    """What `init` did for one instance; holds names of secrets, no values."""

    name: str
    outcome: Outcome
    added: tuple[str, ...]
    path: Path


@dataclass(frozen=True)
class Finding:
    """Something wrong with a secrets file."""

    instance: str
    place: str
    problem: str


def path_of(inventory: Inventory, instance: str) -> Path:
    """Return where the secrets of `instance` are kept. The name must be a plain one: it becomes a folder's name."""
    if not instance or instance.startswith((".", "-")) or any(c in "/\\\0" or c.isspace() for c in instance):
        raise UsageError(f"{instance!r} is no host name", "use letters, digits, dots and hyphens")
    return inventory.folder / "host_vars" / instance / "secrets.yml"


def init(inventory: Inventory, vault: Vault, instance: str, *, check: bool = False) -> Result:
    """Make the secrets of `instance` that do not exist yet; in check mode only say which those are."""
    path = path_of(inventory, instance)
    inventory.require_instance(instance)
    _refuse_other_place(inventory, instance, path)
    if check:
        return _init(vault, instance, path, write=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(
            f"{error.filename} is a file, and the secrets need a folder of that name",
            f"move it to {path.parent}/variables.yml",
        ) from error
    with locked_folder(path.parent):
        remove_leftovers(path)
        return _init(vault, instance, path, write=True)


def _init(vault: Vault, instance: str, path: Path, *, write: bool) -> Result:
    if not path.exists():
        names = tuple(catalogue.KINDS)
        if write:
            vaulted = _encrypt(vault, catalogue.generate(names))
            replace_file(path, document.render(instance, vaulted), MODE)
        return Result(instance, Outcome.CREATED, names, path)
    parsed = _parse(path, vault)
    values = _decrypt(path, parsed, vault)
    if wrong := catalogue.problems(values):
        name, problem = next(iter(wrong.items()))
        raise MeentwerkError(
            f"{path}: {name} {problem}", "restore the file from version control; nothing was changed", Exit.FINDINGS
        )
    missing = tuple(name for name in catalogue.KINDS if name not in values)
    if not missing:
        return Result(instance, Outcome.UNCHANGED, (), path)
    made = _make_missing(path, missing, values)
    if Vault.is_encrypted(path.read_text()):
        raise UsageError(
            f"{path} is encrypted as a whole and lacks {', '.join(missing)}",
            f"run: ansible-vault decrypt {path}, then ansible-vault encrypt_string for each value",
        )
    if write:
        try:
            text = document.extend(parsed, _encrypt(vault, made))
        except document.MalformedError as error:
            raise UsageError(f"{path} {error}") from error
        replace_file(path, text, stat.S_IMODE(path.stat().st_mode))
    return Result(instance, Outcome.COMPLETED, missing, path)


def _make_missing(path: Path, missing: tuple[str, ...], values: Mapping[str, str]) -> dict[str, str]:
    """Make the values that are missing; one half of the VAPID pair cannot be made for another."""
    halves = set(catalogue.VAPID) & set(missing)
    if halves == {"vapid_private_key"}:
        raise MeentwerkError(
            f"{path} has a vapid_public_key without its vapid_private_key",
            "restore the file from version control; nothing was changed",
            Exit.FINDINGS,
        )
    if halves == {"vapid_public_key"}:
        rest = catalogue.generate([name for name in missing if name not in halves])
        return rest | {"vapid_public_key": catalogue.public_of(values["vapid_private_key"])}
    return catalogue.generate(missing)


def rotate(inventory: Inventory, vault: Vault, instance: str, name: str, *, force: bool = False) -> tuple[str, ...]:
    """Give a secret another value; returns the names that changed (the VAPID keys are one pair).

    One whose change does damage is refused with what would be lost, unless forced.
    """
    kind = catalogue.KINDS.get(name)
    if kind is None:
        raise UsageError(f"there is no secret {name}", f"there are: {', '.join(catalogue.KINDS)}")
    if kind.loss and not force:
        raise MeentwerkError(
            f"{name} was not changed: {kind.loss}", "who wants exactly that says --force", Exit.REFUSED
        )
    path = path_of(inventory, instance)
    load(inventory, vault, instance)
    names = catalogue.VAPID if name in catalogue.VAPID else (name,)
    with locked_folder(path.parent):
        text = path.read_text()
        if Vault.is_encrypted(text):
            raise UsageError(
                f"{path} is encrypted as a whole",
                f"run: ansible-vault decrypt {path}, then ansible-vault encrypt_string for each value",
            )
        fresh = _encrypt(vault, catalogue.generate(names))
        try:
            replaced = document.replace(_parse(path, vault), fresh)
        except document.MalformedError as error:
            raise UsageError(f"{path} {error}") from error
        replace_file(path, replaced, stat.S_IMODE(path.stat().st_mode))
    return names


def bring_back(inventory: Inventory, vault: Vault, instance: str, values: Mapping[str, str]) -> Outcome:
    """Write the secrets file of an instance that lost it. One that is there is never overwritten."""
    path = path_of(inventory, instance)
    inventory.require_instance(instance)
    _refuse_other_place(inventory, instance, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked_folder(path.parent):
        remove_leftovers(path)
        if path.exists():
            if load(inventory, vault, instance) == dict(values):
                return Outcome.UNCHANGED
            raise MeentwerkError(
                f"{path} exists and holds other values; it was not touched",
                "move it away if the copy is the right one",
                Exit.REFUSED,
            )
        replace_file(path, document.render(instance, _encrypt(vault, values)), MODE)
    return Outcome.CREATED


def check(inventory: Inventory, vault: Vault, instance: str) -> list[Finding]:
    """Return what is wrong with the secrets of `instance`: missing, unreadable, in plain text, not well-formed."""
    path = path_of(inventory, instance)
    inventory.require_instance(instance)
    if not path.exists():
        return [Finding(instance, str(path), "is missing: meentwerk secrets init makes it")]
    try:
        parsed = _parse(path, vault)
    except MeentwerkError as error:
        return [Finding(instance, str(path), error.message.removeprefix(str(path)).lstrip(": "))]
    whole = Vault.is_encrypted(path.read_text())
    wrong: dict[str, str] = {}
    values: dict[str, str] = {}
    for name, entry in parsed.entries.items():
        plain = vault.decrypt(entry.text) if entry.vaulted else entry.text
        if not (entry.vaulted or whole):
            wrong[name] = "stands in plain text: replace it, it may be known; ansible-vault encrypt_string encrypts"
        elif plain is None:
            wrong[name] = "cannot be decrypted with the vault password in use"
        else:
            values[name] = plain
    wrong |= catalogue.problems(values)
    absent = [name for name in catalogue.KINDS if name not in parsed.entries]
    wrong |= dict.fromkeys(absent, "is missing: meentwerk secrets init adds it")
    return [
        Finding(instance, f"{path}:{parsed.entries[name].line if name in parsed.entries else 1}", f"{name} {problem}")
        for name, problem in wrong.items()
    ]


def load(inventory: Inventory, vault: Vault, instance: str) -> dict[str, str]:
    """Return the decrypted secrets of `instance`, for code that uses them. Nothing may print them."""
    path = path_of(inventory, instance)
    inventory.require_instance(instance)
    if not path.exists():
        raise UsageError(
            f"{instance} has no secrets yet: {path} is missing",
            f"run: meentwerk secrets init {instance} --inventory {inventory.folder}",
        )
    return _decrypt(path, _parse(path, vault), vault)


def _refuse_other_place(inventory: Inventory, instance: str, path: Path) -> None:
    if not path.exists() and inventory.defines(instance, document.VARIABLE):
        raise MeentwerkError(
            f"{instance} has {document.VARIABLE} already, in another file of the inventory than {path}",
            "move the variable to that file; a second set would make the database unreadable",
            Exit.REFUSED,
        )


def _parse(path: Path, vault: Vault) -> document.Document:
    text = path.read_text()
    if Vault.is_encrypted(text):
        plain = vault.decrypt(text)
        if plain is None:
            raise _wrong_password(path)
        text = plain
    try:
        return document.parse(text)
    except document.MalformedError as error:
        raise UsageError(f"{path} {error}", "restore the file from version control; nothing was changed") from error


def _decrypt(path: Path, parsed: document.Document, vault: Vault) -> dict[str, str]:
    values = {}
    for name, entry in parsed.entries.items():
        plain = vault.decrypt(entry.text) if entry.vaulted else entry.text
        if plain is None:
            raise _wrong_password(f"{path}:{entry.line}", name)
        values[name] = plain
    return values


def _wrong_password(place: Path | str, name: str = "the file") -> UsageError:
    return UsageError(
        f"{place}: {name} cannot be decrypted: the vault password is another one, or the text was changed",
        "give the password it was made with: ANSIBLE_VAULT_PASSWORD_FILE or --vault-password-file",
    )


def _encrypt(vault: Vault, values: Mapping[str, str]) -> dict[str, str]:
    return {name: vault.encrypt(value) for name, value in values.items()}
