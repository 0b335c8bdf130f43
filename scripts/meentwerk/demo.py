"""The demo: two departments' instances on two embedded hosts of this machine, and no trace afterwards."""

import json
import os
import secrets
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml

from meentwerk.console import note, say, show_table
from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.files import create_private_file

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "inventories/demo"
STATE = INVENTORY / ".state"
VAULT_PASSWORD = INVENTORY / ".vault-password"
CA = STATE / "ca/ca.pem"
RELEASES = STATE / "releases"
WISH = STATE / "release.json"
GROUP = "demo"
SANDBOX = "sandbox"
ROLE = ROOT / "roles/release_build"
SOURCES = {
    "release_build_git_mirror": "https://github.com/",
    "release_build_gem_mirror": "https://rubygems.org/",
    "release_build_npm_mirror": "https://registry.npmjs.org/",
}

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Provision two departments' instances on two embedded hosts of this machine, as an operator would.

It builds and signs a release, boots two Debian 13 hosts, runs playbooks/site.yml on them and checks from here that each
serves over a verified connection. It can be interrupted and run again; a second run changes nothing.

Without --release it deploys the rehearsal server, which needs nothing but Debian. --release mastodon builds Mastodon
itself from its source: that takes some ten minutes, 10 GB of disk and 6 GB of memory, and reaches GitHub, RubyGems and
the npm registry, or the mirrors that a file named with --build-variables sets (docs/air-gapped.md).""",
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


@dataclass(frozen=True)
class Wish:
    """Which release the demo has, and how it is built."""

    release: str
    """`sandbox`, or a version of Mastodon."""
    build_variables: str = ""
    """File with variables of the role release_build; empty where its defaults do."""

    @property
    def title(self) -> str:
        """What people read."""
        return "the rehearsal release" if self.release == SANDBOX else f"Mastodon {self.release}"

    def keep(self) -> None:
        """Remember it for the next run."""
        WISH.write_text(json.dumps(asdict(self)))

    def build_arguments(self) -> list[str]:
        """Return what playbooks/build.yml is told."""
        if self.release == SANDBOX:
            return ["-e", "release_build_flavour=sandbox"]
        words = ["-e", "release_build_flavour=mastodon", "-e", f"release_build_version={self.release}"]
        return [*words, *(["-e", f"@{self.build_variables}"] if self.build_variables else [])]


def wished(release: str | None, variables: Path | None) -> Wish:
    """Return what is asked for, or what the demo has; another kind of application on the same hosts is refused."""
    before = Wish(**json.loads(WISH.read_text())) if WISH.exists() else None
    if release is None and before is not None:
        return before if variables is None else Wish(before.release, _readable(variables))
    name = release or SANDBOX
    if name == "mastodon":
        name = str(yaml.safe_load((ROLE / "defaults/main.yml").read_text())["release_build_version"])
    if before is not None and (before.release == SANDBOX) != (name == SANDBOX):
        raise MeentwerkError(
            f"the demo's hosts run {before.title}, and another application cannot follow on the same hosts",
            cure="remove it first: scripts/demo --destroy",
            exit=Exit.REFUSED,
        )
    return Wish(name, _readable(variables) if variables else "")


def _readable(path: Path) -> str:
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", "Name a YAML file with variables of the role release_build.")
    return str(path.resolve())


def require_sources(wish: Wish) -> None:
    """Refuse to begin a build of Mastodon whose sources do not answer; one that is built already needs none."""
    if wish.release == SANDBOX or any(RELEASES.glob(f"mastodon-{wish.release}.g*.tar.zst")):
        return
    given = yaml.safe_load(Path(wish.build_variables).read_text()) if wish.build_variables else {}
    if given.get("release_build_offline") or given.get("release_build_proxy"):
        return
    for variable, upstream in SOURCES.items():
        place = given.get(variable) or upstream
        if problem := silence(place):
            raise MeentwerkError(
                f"{place} does not answer ({problem}), so Mastodon cannot be built from it",
                cure=f"set {', '.join(SOURCES)} to mirrors in a YAML file, and name it with --build-variables; "
                "docs/air-gapped.md says how, also without any network",
            )


def silence(url: str) -> str:
    """Say why an address does not answer; empty where it does, whatever the answer is."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=15):  # noqa: S310 - the operator's own
            return ""
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


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


def provision(wish: Wish) -> None:
    """Build, boot, configure, check."""
    if not VAULT_PASSWORD.exists():
        create_private_file(VAULT_PASSWORD, secrets.token_urlsafe(32) + "\n")
    STATE.mkdir(mode=0o700, exist_ok=True)
    require_sources(wish)
    wish.keep()
    run(
        "ansible-playbook", "playbooks/build.yml", *wish.build_arguments(),
        "-e", f"release_build_output={RELEASES}", "-e", "release_build_generate_signing_key=true",
        "-e", f"release_build_signing_key={STATE / 'release_ed25519'}",
        what=f"Build and sign {wish.title}",
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
    release: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="sandbox, the rehearsal server; mastodon; or a version of the catalogue, such as 4.6.5.",
            show_default="what the demo has, else sandbox",
        ),
    ] = None,
    build_variables: Annotated[
        Path | None,
        typer.Option(help="YAML file with variables of the role release_build, such as mirrors.", show_default=False),
    ] = None,
) -> None:
    """Provision the demo, or remove it."""
    if destroy:
        remove(keep_image=keep_image)
        return
    provision(wished(release, build_variables))
    note("\n== Check from this machine")
    check()
    explain()
