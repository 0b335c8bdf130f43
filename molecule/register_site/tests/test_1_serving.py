"""What the host serves: the pages with their headers, nothing else, and nothing about who asked."""

import json
import os
import subprocess
from pathlib import Path

from testinfra.host import Host

testinfra_hosts = ["register-site-1"]
ACCOUNT = "news1@d0.example.test"
DOMAIN = "register.example.test"
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
CA = SCENARIO / ".cache/ca/ca.pem"


def curl(path: str, *more: str, name: str = DOMAIN, scheme: str = "https") -> tuple[int, dict[str, str], str]:
    """Ask from the controller, with the certificate checked; return status, headers in lower case, body."""
    port = 443 if scheme == "https" else 80
    command = ["curl", "--silent", "--show-error", "--include", "--max-time", "10", "--cacert", str(CA)]
    command += ["--resolve", f"{name}:{port}:10.87.101.11", *more, f"{scheme}://{name}{path}"]
    done = subprocess.run(command, capture_output=True, check=False)
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    status = int(lines[0].split()[1]) if done.returncode == 0 else 0
    return status, {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}, body


def test_pages() -> None:
    for path in (
        "/",
        "/nl/index.html",
        "/en/index.html",
        f"/en/a/{ACCOUNT}.html",
        "/style.css",
        "/search.js",
    ):
        status, headers, body = curl(path)
        assert (status, bool(body)) == (200, True), path
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert headers["strict-transport-security"] == "max-age=63072000"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in headers
        assert headers["server"] == "nginx", "no version"


def test_data_for_programs() -> None:
    kinds = {
        "/register.json": "application/json",
        "/nl/feed.xml": "application/atom+xml",
        "/follow.csv": "text/csv",
        "/register.schema.json": "application/json",
    }
    for path, kind in kinds.items():
        status, headers, body = curl(path)
        assert status == 200
        assert headers["content-type"].startswith(kind), path
        assert headers["access-control-allow-origin"] == "*"
        assert headers["content-security-policy"]
        assert body
    assert len(json.loads(curl("/register.json")[2])["accounts"]) == 300


def test_what_is_not_there_is_not_there() -> None:
    for path in ("/nothing", "/nl/", "/..%2f..%2fetc/passwd", "/.git/config"):
        assert curl(path)[0] in {400, 403, 404} or path == "/nl/"
    assert curl("/nl/")[0] == 200
    status, headers, _ = curl("/nl/index.html?x=1", scheme="http")
    assert (status, headers["location"]) == (301, f"https://{DOMAIN}/nl/index.html?x=1")


def test_other_names_get_no_answer() -> None:
    assert curl("/", name="stranger.example.test")[0] == 0
    assert curl("/", "--insecure", name="stranger.example.test")[0] == 0
    assert curl("/", name="stranger.example.test", scheme="http")[0] == 0


def test_only_good_tls(host: Host) -> None:
    assert host.run("curl -sS --tls-max 1.1 --cacert /etc/ssl/meentwerk/ca.pem https://register.example.test/").rc != 0
    loaded = host.check_output("nginx -T 2>/dev/null | grep -c 'SignatureAlgorithms'")
    assert int(loaded) >= 1, "the role nginx's own choice of TLS"


def test_nobody_is_written_down(host: Host) -> None:
    curl("/nl/index.html")
    curl("/not-here")
    logs = host.check_output("cat /var/log/nginx/*.log 2>/dev/null || true")
    assert "10.87.101.1 " not in logs
    assert "not-here" not in logs


def test_files_belong_to_root_and_the_service_cannot_write(host: Host) -> None:
    found = host.check_output("find -L /var/lib/register-site/current ! -user root -o -perm /022")
    assert found == ""


def play(*more: str) -> str:
    done = subprocess.run(
        ["ansible-playbook", "--inventory", os.environ["MOLECULE_HOSTS"], str(SCENARIO / "converge.yml"), *more],
        capture_output=True,
        text=True,
        check=False,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
    )
    return f"rc={done.returncode} " + " ".join((done.stdout + done.stderr).split())


def test_a_new_version_comes_whole_and_the_one_before_stays(host: Host) -> None:
    page = SCENARIO / ".cache/site/en/how.html"
    before, old = page.read_text(), host.check_output("readlink /var/lib/register-site/current")
    try:
        for number in (1, 2):
            page.write_text(f"{before}<!-- version {number} -->")
            assert "rc=0" in play("--tags", "register_site")
            assert f"version {number}" in curl("/en/how.html")[2]
        kept = host.check_output("ls /var/lib/register-site/releases").split()
        assert len(kept) == 2, "the one that is served, and the one before"
        assert old.removeprefix("releases/") not in kept
    finally:
        page.write_text(before)
        assert "rc=0" in play("--tags", "register_site")
    assert host.check_output("readlink /var/lib/register-site/current") == old


def test_refusals_change_nothing(host: Host) -> None:
    stamp = "stat --format=%Y /etc/nginx/conf.d/register-site.conf"
    before = host.check_output(stamp)
    wrong: dict[str, tuple[str | int, str]] = {
        "register_site_domain": ("Register", "register_site_domain is"),
        "register_site_source": ("/nowhere", "There is no register page in that folder"),
        "register_site_hsts_seconds": (60, "Below one year"),
    }
    for variable, (value, words) in wrong.items():
        answer = play("--tags", "register_site", "--extra-vars", json.dumps({variable: value}))
        assert "rc=0" not in answer
        assert words in answer
    assert host.check_output(stamp) == before
