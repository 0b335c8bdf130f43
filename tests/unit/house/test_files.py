"""What may not be in a tracked file, and what must be true of scripts and code."""

import re
import stat
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, load, name_of

SCRIPTS = [
    *sorted(path for path in ROOT.glob("scripts/*") if path.is_file()),
    *sorted(path for path in ROOT.glob("benchmarks/*") if path.is_file() and not path.suffix),
]

# Put together, so that this file does not hold them
PRIVATE_KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----\n?[A-Za-z0-9+/]")
TOKENS = {
    "an age key": re.compile(r"AGE-SECRET-" + r"KEY-1[0-9A-Z]{20}"),
    "a token of a code host": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|glpat" + r"-[A-Za-z0-9_-]{20,})"),
    "an access key of a cloud": re.compile(r"\bAK" + r"IA[0-9A-Z]{16}\b"),
    "a JSON web token": re.compile(r"\bey" + r"J[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{15,}"),
}
ASSIGNED = re.compile(
    r"""(?ix) (?:password|passwd|passphrase|secret|token|secret_key_base|_key) ["']? \s* [:=] \s* ["']?
    ((?=[a-z0-9+/_-]*[0-9])(?=[a-z0-9+/_-]*[a-z])[a-z0-9+/_-]{24,}={0,2}) ["']? \s* (?:$|[,#}\])])"""
)
# file -> why a value that looks like a secret may stand there
MADE_UP: dict[str, str] = {
    "tests/unit/secrets/test_check_and_login.py": "a value that must not be printed",
    "molecule/mastodon/vars.yml": "the VAPID pair of the scalar 01 02 03 ... 20: public by construction",
}
# file -> why a secrets file is published; test_example.py shows that its password is published too
PUBLISHED: dict[str, str] = {
    "inventories/example/host_vars/archives/secrets.yml": "shows a canary as deployed; no server has these values",
    "inventories/example/host_vars/railways/secrets.yml": "shows a canary as deployed; no server has these values",
}


def test_no_private_key(texts: dict[Path, str]) -> None:
    found = [name_of(path) for path, text in texts.items() if PRIVATE_KEY.search(text)]
    assert not found, f"a private key is published with the repository: {found}"


def test_no_file_that_holds_secrets_by_its_name(files: list[Path]) -> None:
    pattern = re.compile(
        r"(\.pem|\.key|\.p12|\.pfx|\.kdbx|/secrets\.ya?ml|(^|/)id_(rsa|ed25519|ecdsa)[^/]*|\.vault-password.*|\.env)$"
    )
    found = [name for path in files if pattern.search(name := name_of(path)) and name not in PUBLISHED]
    assert not found, f"such files do not belong into version control here: {found}"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_secrets_file_is_the_examples_and_encrypted(name: str) -> None:
    assert name.startswith("inventories/example/host_vars/"), "no other inventory publishes its secrets"
    document = load(ROOT / name)
    assert document.keys() == {"instance_secrets"}
    plain = [key for key, value in document["instance_secrets"].items() if not value.startswith("$ANSIBLE_VAULT;")]
    assert not plain, f"{name}: {plain} in plain text"


@pytest.mark.parametrize("what", TOKENS)
def test_no_token(texts: dict[Path, str], what: str) -> None:
    found = [name_of(path) for path, text in texts.items() if TOKENS[what].search(text)]
    assert not found, f"{what} stands in {found}: withdraw it, it is known now"


def test_no_value_that_looks_like_a_secret(texts: dict[Path, str]) -> None:
    found = [
        f"{name}:{number}"
        for path, text in texts.items()
        if (name := name_of(path)) not in MADE_UP and name != "requirements.txt"
        for number, line in enumerate(text.splitlines(), 1)
        if ASSIGNED.search(line)
    ]
    assert not found, f"looks like a secret: {found}; use `meentwerk secrets`, or say in MADE_UP why it is none"


def test_no_exception_is_left_over() -> None:
    gone = [name for name in [*MADE_UP, *PUBLISHED] if not (ROOT / name).is_file()]
    assert not gone, f"take off the list of exceptions: {gone}"


def test_no_path_of_this_machine(texts: dict[Path, str]) -> None:
    place = re.compile(re.escape(str(ROOT)) + r"\b")
    found = [name_of(path) for path, text in texts.items() if place.search(text)]
    assert not found, f"{ROOT} exists on this machine only, but stands in {found}"


def test_mail_addresses_belong_to_nobody(texts: dict[Path, str]) -> None:
    """Examples use the domains that RFC 2606 and RFC 6761 reserve: nobody gets mail because of an example."""
    address = re.compile(r"\b[\w.+-]+@((?:[a-z0-9-]+\.)+[a-z]{2,})\b", re.IGNORECASE)
    reserved = re.compile(r"(^|\.)(example\.(org|com|net)|example|test|invalid|localhost)$", re.IGNORECASE)
    # systemd's template units and the names of OpenSSH's own algorithms look like addresses
    other = re.compile(r"\.(service|socket|target|timer|j2|conf|slice)$|^openssh\.com$")
    found = [
        f"{name_of(path)}:{number}: {match[0]}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        for match in address.finditer(line)
        if not reserved.search(match[1]) and not other.search(match[1])
    ]
    assert not found, f"addresses that may be someone's: {found}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_executable(script: Path) -> None:
    assert script.read_bytes().startswith(b"#!"), f"{name_of(script)} needs a first line #!"
    assert script.stat().st_mode & stat.S_IXUSR, f"chmod +x {name_of(script)}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_answers_help(script: Path) -> None:
    assert "--help" in script.read_text(), f"{name_of(script)} does not know --help"
    done = subprocess.run([str(script), "--help"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), f"{name_of(script)} --help prints nothing on stdout"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_script_stops_at_errors(script: Path) -> None:
    text = script.read_text()
    if not re.match(r"#!.*\b(sh|bash)\b", text):
        pytest.skip("no shell script")
    commands = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(commands) == 1 or re.search(r"^set -[a-z]*e", text, re.MULTILINE), (
        f"{name_of(script)}: set -eu is missing"
    )


def test_every_exception_from_the_rules_names_its_rule(texts: dict[Path, str]) -> None:
    # ruff's rules are capitals, ansible-lint's are words
    blanket = re.compile(
        r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!: (?:[A-Z]|[a-z]+-[a-z-]+))|#\s*nosec|yamllint disable(?! rule:| rule)"
    )
    found = [
        f"{name_of(path)}:{number}"
        for path, text in texts.items()
        if path.suffix in {".py", ".yml", ".yaml"} and path != Path(__file__)
        for number, line in enumerate(text.splitlines(), 1)
        if blanket.search(line)
    ]
    assert not found, f"say which rule is switched off: {found}"


def test_ci_runs_what_a_person_runs() -> None:
    run = ROOT / ".ci/run"
    assert run.is_file(), ".ci/run is missing"
    assert "scripts/test" in run.read_text(), "CI must run the test command of the README"
