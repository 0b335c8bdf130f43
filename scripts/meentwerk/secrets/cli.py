"""`meentwerk secrets`: make, check and hand over the secrets of instances without showing one."""

import json
import secrets
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import yaml

from meentwerk.console import Json, note, say, show_error, show_json, show_table
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.files import create_private_file
from meentwerk.inventory import INSTANCES_GROUP, Inventory, Vault
from meentwerk.secrets import catalogue, escrow, store

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The secrets of instances, encrypted at birth.")

Instance = Annotated[str, typer.Argument(metavar="INSTANCE", help="Its name in the inventory.")]
Instances = Annotated[list[str] | None, typer.Argument(metavar="INSTANCE", help="Names in the inventory.")]
All = Annotated[bool, typer.Option("--all", help=f"Every host of the group {INSTANCES_GROUP}.")]
Source = Annotated[
    Path,
    typer.Option("--inventory", "-i", envvar="ANSIBLE_INVENTORY", help="The inventory's folder, or its main file."),
]
PasswordFiles = Annotated[
    list[str] | None,
    typer.Option("--vault-password-file", help="File, or program that prints the password. Default: as for Ansible."),
]
VaultIds = Annotated[list[str] | None, typer.Option("--vault-id", help="LABEL@SOURCE, as for Ansible.")]
Ask = Annotated[bool, typer.Option("--ask-vault-password", "-J", help="Ask for the vault password.")]


@app.command(
    epilog="""\b
Examples:
  meentwerk secrets init ministry -i inventories/production
  meentwerk secrets init --all --check -i inventories/production"""
)
def init(
    instances: Instances = None,
    *,
    inventory: Source,
    every: All = False,
    check: Annotated[bool, typer.Option("--check", help="Say what would be made; write nothing.")] = False,
    vault_password_file: PasswordFiles = None,
    vault_id: VaultIds = None,
    ask_vault_password: Ask = False,
    as_json: Json = False,
) -> None:
    """Make the secrets of instances that have none, encrypted, in host_vars/INSTANCE/secrets.yml.

    What exists is never overwritten. A file that lacks a secret which this version needs gets that one added.
    """
    vault, source = _open(inventory, vault_id, vault_password_file, ask_vault_password)
    names = _chosen(source, instances, every)
    for name in names:  # a typing error in the last name must not leave the first ones done
        store.path_of(source, name)
        source.require_instance(name)
    results: list[store.Result] = []
    errors: dict[str, Exception] = {}
    for name in names:
        try:
            results.append(store.init(source, vault, name, check=check))
        except (MeentwerkError, OSError) as error:
            if len(names) == 1:
                raise
            errors[name] = error
            results.append(store.Result(name, store.Outcome.FAILED, (), store.path_of(source, name)))
    if as_json:
        show_json({"check": check, "instances": [_as_json(result, errors.get(result.name)) for result in results]})
    else:
        for result in results:
            say(_sentence(result, check))
    for name, problem in errors.items():
        show_error(f"{name}: {problem}")
    if errors:
        raise typer.Exit(Exit.PARTIAL if len(errors) < len(names) else Exit.UNEXPECTED)


@app.command()
def check(
    instances: Instances = None,
    *,
    inventory: Source,
    every: All = False,
    vault_password_file: PasswordFiles = None,
    vault_id: VaultIds = None,
    ask_vault_password: Ask = False,
    as_json: Json = False,
) -> None:
    """Check that every secret is there, decrypts and is well-formed; exit 3 if not. Shows no values."""
    vault, source = _open(inventory, vault_id, vault_password_file, ask_vault_password)
    names = _chosen(source, instances, every)
    findings = [finding for name in names for finding in store.check(source, vault, name)]
    if as_json:
        show_json({"checked": names, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            say(f"{finding.place}: {finding.problem}")
        note(f"checked: {len(names)}, findings: {len(findings)}")
    if findings:
        raise typer.Exit(Exit.FINDINGS)


@app.command()
def fingerprints(
    instance: Instance,
    *,
    inventory: Source,
    salt: Annotated[str, typer.Option(help="The salt of the host to compare with. Default: a new one.")] = "",
    vault_password_file: PasswordFiles = None,
    vault_id: VaultIds = None,
    ask_vault_password: Ask = False,
    as_json: Json = False,
) -> None:
    """Print salted fingerprints of the secrets, to compare with those that the host keeps."""
    vault, source = _open(inventory, vault_id, vault_password_file, ask_vault_password)
    salt = salt or secrets.token_hex(16)
    marks = {
        name: catalogue.fingerprint(name, value, salt) for name, value in store.load(source, vault, instance).items()
    }
    if as_json:
        show_json({"instance": instance, "salt": salt, "fingerprints": marks})
    else:
        note(f"salt: {salt}")
        show_table(["secret", "SHA-256 of salt:name:value"], marks.items())


@app.command(
    epilog="""\b
Example:
  meentwerk secrets login ministry -i inventories/production --output ~/ministry.login"""
)
def login(
    instance: Instance,
    *,
    inventory: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="New file, readable by you alone.")],
    vault_password_file: PasswordFiles = None,
    vault_id: VaultIds = None,
    ask_vault_password: Ask = False,
) -> None:
    """Write the owner's first sign-in (address, name, e-mail, password) to a new private file, never to a terminal."""
    _refuse_version_control(output)
    vault, source = _open(inventory, vault_id, vault_password_file, ask_vault_password)
    password = store.load(source, vault, instance)["owner_password"]
    domain = source.value(instance, "instance_web_domain")
    owner = source.value(instance, "instance_owner") or {}
    if not (domain and owner.get("username") and owner.get("email")):
        raise UsageError(
            f"the entry of {instance} in {source.folder} is incomplete: "
            "needed are instance_domain, and instance_contact or instance_owner",
            "ansible-playbook playbooks/validate.yml names everything that is missing",
        )
    text = yaml.safe_dump(
        {
            "url": f"https://{domain}/",
            "username": str(owner["username"]),
            "email": str(owner["email"]),
            "password": password,
        },
        sort_keys=False,
    )
    try:
        create_private_file(output, f"# First sign-in. Change the password there, then delete this file.\n{text}")
    except FileExistsError as error:
        raise UsageError(f"{output} exists already; it was not touched", "name a new file") from error
    note(f"written: {output}. Hand it over safely, then delete it.")


@app.command(name="list")
def list_(
    instance: Instance,
    *,
    inventory: Source,
    vault_password_file: PasswordFiles = None,
    vault_id: VaultIds = None,
    ask_vault_password: Ask = False,
    as_json: Json = False,
) -> None:
    """List the secrets of an instance: what each is for, whether it is there, and whether it may change. No values."""
    vault, source = _open(inventory, vault_id, vault_password_file, ask_vault_password)
    there = store.load(source, vault, instance)
    rows = [(name, name in there, kind.purpose, kind.rotation) for name, kind in catalogue.KINDS.items()]
    if as_json:
        keys = ("name", "present", "purpose", "rotation")
        show_json({"instance": instance, "secrets": [dict(zip(keys, row, strict=True)) for row in rows]})
    else:
        show_table(
            ["secret", "there", "for", "may it change?"], [(n, "yes" if t else "no", p, r) for n, t, p, r in rows]
        )


@app.command(
    epilog="""\b
Example:
  meentwerk secrets rotate ministry secret_key_base -i inventories/production"""
)
def rotate(
    instance: Instance,
    name: Annotated[str, typer.Argument(metavar="SECRET", help="Its name; the two VAPID keys change together.")],
    *,
    inventory: Source,
    force: Annotated[bool, typer.Option("--force", help="Also where it does the damage that is told without.")] = False,
    vault_password_file: PasswordFiles = None,
    vault_id: VaultIds = None,
    ask_vault_password: Ask = False,
    as_json: Json = False,
) -> None:
    """Give a secret another value in the secrets file. The host takes it at the next run of playbooks/site.yml."""
    vault, source = _open(inventory, vault_id, vault_password_file, ask_vault_password)
    changed = store.rotate(source, vault, instance, name, force=force)
    if as_json:
        show_json({"instance": instance, "rotated": list(changed)})
    else:
        say(f"{instance}: {', '.join(changed)} changed in {store.path_of(source, instance)}")
        if loss := catalogue.KINDS[name].loss:
            note(f"forced: {loss}")
        # Of passwords a host keeps no fingerprint
        asked = [it for it in changed if not it.endswith("password")]
        leave = f" -e '{json.dumps({'mastodon_rotate_secrets': asked})}'" if asked else ""
        note(f"now: playbooks/site.yml{leave}, then commit the file")


@app.command(
    epilog="""\b
Example:
  meentwerk secrets export ministry -i inventories/production --recipients-file board.txt --output ministry.age"""
)
def export(
    instance: Instance,
    *,
    inventory: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="New file.")],
    recipient: Annotated[list[str] | None, typer.Option(help="A public key: age1..., ssh-ed25519 or ssh-rsa.")] = None,
    recipients_file: Annotated[Path | None, typer.Option(help="File with one such key a line.")] = None,
    vault_password_file: PasswordFiles = None,
    vault_id: VaultIds = None,
    ask_vault_password: Ask = False,
) -> None:
    """Write a copy of all secrets that each of several people can open alone, for a safe at another place (age)."""
    lines = list(recipient or ())
    if recipients_file:
        lines += recipients_file.read_text(encoding="utf-8").splitlines()
    keys = escrow.recipients(lines)
    vault, source = _open(inventory, vault_id, vault_password_file, ask_vault_password)
    values = store.load(source, vault, instance)
    sealed = escrow.seal(instance, str(source.value(instance, "instance_domain") or ""), values, keys)
    try:
        with output.open("xb") as file:
            file.write(sealed)
    except FileExistsError as error:
        raise UsageError(f"{output} exists already; it was not touched", "name a new file") from error
    note(f"written: {output}, for {len(keys)} people. Try it: age --decrypt, or meentwerk secrets import --check.")


@app.command(
    name="import",
    epilog="""\b
Example:
  meentwerk secrets import ministry ministry.age --identity ~/.ssh/id_ed25519 -i inventories/production""",
)
def import_(
    instance: Instance,
    copy: Annotated[Path, typer.Argument(help="What `export` wrote.")],
    *,
    inventory: Source,
    identity: Annotated[Path, typer.Option("--identity", help="Your private key, of age or ssh.")],
    check: Annotated[bool, typer.Option("--check", help="Only open it; write nothing.")] = False,
    vault_password_file: PasswordFiles = None,
    vault_id: VaultIds = None,
    ask_vault_password: Ask = False,
) -> None:
    """Bring lost secrets back from a copy, encrypted with the vault password of today. Never overwrites a file."""
    opened = escrow.unseal(copy.read_bytes(), identity, str(copy))
    vault, source = _open(inventory, vault_id, vault_password_file, ask_vault_password)
    domain = str(source.value(instance, "instance_domain") or "")
    if opened.instance != instance or (domain and opened.domain and domain != opened.domain):
        raise MeentwerkError(
            f"{copy} holds the secrets of {opened.instance} ({opened.domain}), not of {instance} ({domain})",
            "name the instance that they belong to",
            Exit.REFUSED,
        )
    if check:
        say(f"{copy} opens: {len(opened.values)} secrets of {instance}, copied {opened.made}")
        return
    outcome = store.bring_back(source, vault, instance, opened.values)
    say(f"{instance}: {outcome} ({store.path_of(source, instance)})")


def _open(
    inventory: Path, ids: list[str] | None, password_files: list[str] | None, ask: bool
) -> tuple[Vault, Inventory]:
    vault = Vault(ids or (), password_files or (), ask)
    return vault, Inventory(inventory, vault)


def _chosen(inventory: Inventory, instances: list[str] | None, every: bool) -> list[str]:
    if every == bool(instances):
        raise UsageError("which instances?", "name them, or give --all")
    if instances:
        return list(dict.fromkeys(instances))
    if not (names := inventory.instances()):
        raise UsageError(f"the group {INSTANCES_GROUP} of {inventory.folder} is empty", "add a department's entry")
    return names


def _sentence(result: store.Result, check: bool) -> str:
    would = "would be " if check and result.outcome is not store.Outcome.UNCHANGED else ""
    added = f" with {', '.join(result.added)}" if result.outcome is store.Outcome.COMPLETED else ""
    return f"{result.name}: {would}{result.outcome}{added} ({result.path})"


def _as_json(result: store.Result, error: Exception | None) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": result.name,
        "outcome": result.outcome.value,
        "path": str(result.path),
        "added": list(result.added),
    }
    return shown | ({"error": str(error)} if error else {})


def _refuse_version_control(output: Path) -> None:
    """A password that git would pick up with the next `git add` is as good as published."""
    folder = output.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}", "make it first: mkdir -m 700 " + str(folder))

    if not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return
    command = ["git", "-C", str(folder), "check-ignore", "--quiet", output.name]
    if subprocess.run(command, capture_output=True, check=False, timeout=30).returncode != 0:
        raise MeentwerkError(
            f"{output} would lie in a git repository that does not ignore it",
            "choose a file outside of it",
            Exit.REFUSED,
        )
