"""The demo: two departments' instances on two embedded hosts of this machine, and no trace afterwards."""

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml

from meentwerk.console import note, say, show_table
from meentwerk.errors import MeentwerkError
from meentwerk.files import create_private_file

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "inventories/demo"
STATE = INVENTORY / ".state"
VAULT_PASSWORD = INVENTORY / ".vault-password"
CA = STATE / "ca/ca.pem"
GROUP = "demo"

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Provision two departments' instances on two embedded hosts of this machine, as an operator would.

It builds and signs the rehearsal release, boots two Debian 13 hosts, runs playbooks/site.yml on them and checks from
here that each serves over a verified connection. It can be interrupted and run again; a second run changes nothing.""",
)


@dataclass(frozen=True)
class Instance:
    """What the demo needs to know of a department's entry."""

    name: str
    address: str
    address6: str
    domain: str
    web_domain: str

    @property
    def login(self) -> Path:
        """The file with the operator's first login."""
        return STATE / f"{self.name}-login.txt"


def instances() -> list[Instance]:
    """Read the demo's entries."""
    found = []
    for path in sorted((INVENTORY / "departments").glob("*.yml")):
        for name, entry in yaml.safe_load(path.read_text())["mastodon_instances"]["hosts"].items():
            domain = entry["instance_domain"]
            found.append(
                Instance(
                    name,
                    entry["ansible_host"],
                    entry["embedded_host_ip6"],
                    domain,
                    entry.get("instance_web_domain", domain),
                )
            )
    return found


def run(*command: str | Path, what: str) -> None:
    """Run a step and let the person watch; its failure ends the demo with what to do next."""
    environment = dict(
        os.environ,
        ANSIBLE_VAULT_PASSWORD_FILE=str(VAULT_PASSWORD),
        # only what changes is worth a line here
        ANSIBLE_DISPLAY_OK_HOSTS=os.environ.get("ANSIBLE_DISPLAY_OK_HOSTS", "false"),
        ANSIBLE_DISPLAY_SKIPPED_HOSTS="false",
    )
    note(f"\n== {what}")
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise MeentwerkError(
            f"this step failed: {what}", cure="its messages stand above; scripts/demo can be run again"
        )


def ask(instance: Instance, path: str) -> str:
    """Return the status code of a page, asked from this machine over a verified chain; the body is not kept."""
    done = subprocess.run(
        [
            "curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}",
            "--max-time", "20", "--cacert", str(CA),
            "--resolve", f"{instance.web_domain}:443:{instance.address},[{instance.address6}]",
            "--header", "Accept: text/html, application/json;q=0.9",
            f"https://{instance.web_domain}{path}",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else done.stderr.strip()


def check() -> None:
    """Ask every instance for what its visitors need; the demo is done only when each answers 200."""
    rows = []
    for instance in instances():
        owner = f"acct:beheer@{instance.domain}"
        for path in ("/", "/api/v2/instance", f"/.well-known/webfinger?resource={owner}", "/api/v1/streaming/health"):
            rows.append((instance.web_domain, path, ask(instance, path)))
    show_table(("instance", "page", "answer"), rows)
    wrong = [row for row in rows if row[2] != "200"]
    if wrong:
        raise MeentwerkError(
            f"{wrong[0][0]}{wrong[0][1]} answers {wrong[0][2]}", cure="see it with: scripts/embedded-host shell NAME"
        )


def explain() -> None:
    """Say what is there now and what to try next."""
    names = " ".join(sorted({name for i in instances() for name in (i.domain, i.web_domain)}))
    say(f"\n{len(instances())} departments' instances are running: {names}\n")
    for instance in instances():
        say(f"  https://{instance.web_domain}/  ({instance.name})")
        say(f"    operator's login: user name beheer, password in {instance.login.relative_to(ROOT)}")
    say("\nTo open them in a browser on this machine, add to /etc/hosts:")
    for instance in instances():
        say(f"    {instance.address} {' '.join(dict.fromkeys((instance.domain, instance.web_domain)))}")
    say(f"  and import the demo's CA in the browser: {CA.relative_to(ROOT)}")
    first = instances()[0]
    say(f"""
What to try next:
  curl --cacert {CA.relative_to(ROOT)} --resolve {first.web_domain}:443:{first.address} https://{first.web_domain}/api/v2/instance
  scripts/embedded-host shell {first.name} tootctl version
  change inventories/demo/departments/{first.name}.yml and run scripts/demo again
  scripts/demo --destroy        removes everything again""")


def provision() -> None:
    """Build, boot, configure, check."""
    if not VAULT_PASSWORD.exists():
        create_private_file(VAULT_PASSWORD, secrets.token_urlsafe(32) + "\n")
    STATE.mkdir(mode=0o700, exist_ok=True)
    run(
        "ansible-playbook", "playbooks/build.yml", "-e", "release_build_flavour=sandbox",
        "-e", f"release_build_signing_key={STATE / 'release_ed25519'}", "-e", "release_build_generate_signing_key=true",
        what="Build and sign the rehearsal release",
    )  # fmt: skip
    run(
        ROOT / "scripts/embedded-host",
        "up",
        "--keep",
        "--group",
        GROUP,
        "--inventory",
        INVENTORY,
        what="Boot the hosts",
    )
    run(
        "ansible-playbook",
        "--inventory",
        INVENTORY,
        "playbooks/site.yml",
        what="Configure the hosts (some minutes the first time)",
    )
    for instance in instances():
        if not instance.login.exists():
            run(
                "meentwerk", "secrets", "login", instance.name, "--inventory", INVENTORY, "--output", instance.login,
                what=f"Write the operator's first login of {instance.name}",
            )  # fmt: skip


def remove(*, keep_image: bool) -> None:
    """Remove hosts, secrets, certificates and releases of the demo; with no other host left, the image cache too."""
    host = str(ROOT / "scripts/embedded-host")
    subprocess.run([host, "down", "--group", GROUP], check=True)
    for releases in (ROOT / "releases").glob("sandbox-*"):
        releases.unlink()
    (ROOT / "releases/allowed_signers").unlink(missing_ok=True)
    if (ROOT / "releases").is_dir() and not any((ROOT / "releases").iterdir()):
        (ROOT / "releases").rmdir()
    for path in (INVENTORY / "host_vars", STATE):
        shutil.rmtree(path, ignore_errors=True)
    VAULT_PASSWORD.unlink(missing_ok=True)
    if not keep_image:
        others = json.loads(
            subprocess.run([host, "list", "--json"], check=True, capture_output=True, text=True).stdout
        )["hosts"]
        if others:
            note(f"the image cache stays: other embedded hosts use it ({', '.join(other['name'] for other in others)})")
        else:
            subprocess.run([host, "prune", "--all", "--yes"], check=True)
    say("The demo is removed. What stays: the virtual environment .venv and what scripts/bootstrap installed.")


@app.callback(invoke_without_command=True)
def demo(
    destroy: Annotated[
        bool, typer.Option("--destroy", help="Remove every trace of the demo: hosts, secrets, certificates, image.")
    ] = False,
    keep_image: Annotated[
        bool, typer.Option("--keep-image", help="With --destroy: keep the cached Debian image.")
    ] = False,
) -> None:
    """Provision the demo, or remove it."""
    if destroy:
        remove(keep_image=keep_image)
        return
    provision()
    note("\n== Check from this machine")
    check()
    explain()
