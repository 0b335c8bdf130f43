"""The unit tests of a release's programs that need Ruby or Node.js, on the Debian that runs those programs."""

import subprocess
from pathlib import Path

from testinfra.host import Host

testinfra_hosts = ["release-build-2"]

PROJECT = Path(__file__).parents[3]
PARTS = ("roles/release_build/files/mastodon", "tests/unit/programs")
PLACE = "/root/programs"


def test_the_unit_tests_that_need_ruby_and_node(host: Host, tmp_path: Path) -> None:
    archive = tmp_path / "programs.tar"
    subprocess.run(["tar", "--create", f"--file={archive}", f"--directory={PROJECT}", *PARTS], check=True)
    host.ansible("ansible.builtin.file", f"path={PLACE} state=directory mode=0755", check=False)
    host.ansible("ansible.builtin.unarchive", f"src={archive} dest={PLACE}", check=False)
    host.ansible(
        "ansible.builtin.apt", "name=ruby,ruby-minitest,nodejs,python3-pytest install_recommends=false", check=False
    )
    done = host.run(
        f"cd {PLACE} && python3 -m pytest --quiet --import-mode=importlib -p no:cacheprovider -rs"
        " tests/unit/programs/test_ruby.py tests/unit/programs/test_streaming.py"
    )
    assert done.rc == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout, done.stdout
