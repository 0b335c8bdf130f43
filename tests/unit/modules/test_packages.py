"""The module meentwerk_packages: what dpkg answers."""

import json
import shutil
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args  # type: ignore[import-untyped]

from tests.plugins import load

MODULE = load("plugins/modules/meentwerk_packages.py")


def test_what_was_removed_or_half_installed_is_not_there() -> None:
    answer = (
        "installed nginx 1.26.3-3+deb13u1\nconfig-files exim4-base 4.98-1\nhalf-installed broken 1.0\n"
        "not-installed never \ninstalled libc6 2.41-12\ninstalled libc6 2.41-12\n"
    )
    assert MODULE.installed(answer) == {"nginx": "1.26.3-3+deb13u1", "libc6": "2.41-12"}


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no Debian")
def test_this_machine_has_dpkg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch_module_args({"_ansible_remote_tmp": str(tmp_path)}), pytest.raises(SystemExit):
        MODULE.main()
    result = json.loads(capsys.readouterr().out)
    assert result["changed"] is False
    assert result["ansible_facts"]["packages"]["dpkg"][0].isdigit()
