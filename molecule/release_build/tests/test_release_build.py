"""A host with Debian's own tools can check, unpack and start what was built."""

import json

import pytest
from testinfra.host import Host

testinfra_hosts = ["release-build-1"]

VERIFY = "ssh-keygen -Y verify -f /root/allowed_signers -I {principal} -n {namespace} -s {archive}.sig < {archive}"
PROGRAMS = ("web", "sidekiq", "streaming", "migrate", "tootctl", "batch", "check")


@pytest.fixture
def identifier(host: Host) -> str:
    (name,) = host.file("/opt/mastodon/releases").listdir()
    return str(name)


def verify(host: Host, archive: str, principal: str = "release", namespace: str = "meentwerk-release") -> bool:
    # ssh-keygen refuses with 255, which ssh keeps for its own failures
    command = VERIFY.format(principal=principal, namespace=namespace, archive=archive)
    return bool(host.run(f"{command} || exit 1").rc == 0)


def test_hash_and_signature_hold(host: Host, identifier: str) -> None:
    assert host.run(f"cd /root && sha256sum --check --strict {identifier}.tar.zst.sha256").rc == 0
    assert verify(host, f"/root/{identifier}.tar.zst")


def test_the_key_is_good_for_releases_only(host: Host, identifier: str) -> None:
    assert not verify(host, f"/root/{identifier}.tar.zst", namespace="git")
    assert not verify(host, f"/root/{identifier}.tar.zst", principal="root")


def test_one_changed_byte_is_noticed(host: Host, identifier: str) -> None:
    host.check_output(
        f"cp /root/{identifier}.tar.zst /tmp/changed && cp /root/{identifier}.tar.zst.sig /tmp/changed.sig"
        " && printf x >> /tmp/changed"
    )
    assert not verify(host, "/tmp/changed")


def test_everything_belongs_to_root_and_nobody_else_may_write(host: Host) -> None:
    assert host.check_output("find /opt/mastodon/releases ! -user root -o ! -group root") == ""
    assert host.check_output("find /opt/mastodon/releases ! -type l -perm /022") == ""


def test_it_says_what_it_is(host: Host, identifier: str) -> None:
    release = json.loads(host.file(f"/opt/mastodon/releases/{identifier}/release.json").content_string)
    assert release["id"] == identifier
    assert (release["contract"], release["name"], release["debian"]) == (1, "sandbox", "13")
    assert release["architecture"] == host.check_output("dpkg --print-architecture")
    for package in release["runtime_packages"]:
        assert host.package(package).is_installed


@pytest.mark.parametrize("program", ["web", "sidekiq", "streaming", "check"])
def test_a_program_without_configuration_names_what_is_missing(host: Host, identifier: str, program: str) -> None:
    """It starts far enough to say so: the runtime packages are complete."""
    result = host.run(f"timeout 20 env -i PATH=/usr/bin:/bin /opt/mastodon/releases/{identifier}/bin/{program}")
    assert result.rc not in {0, 124}
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "LOCAL_DOMAIN" in result.stderr or "SECRET_KEY_BASE" in result.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_of_the_contract_is_there(host: Host, identifier: str, program: str) -> None:
    assert host.file(f"/opt/mastodon/releases/{identifier}/bin/{program}").mode == 0o755


def test_packing_took_no_rubbish_along(host: Host) -> None:
    assert host.check_output("find /opt/mastodon/releases -name '*.pyc' -o -name '.*' -o -name '*~'") == ""
