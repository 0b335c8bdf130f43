"""Run the tests in Ruby where there is a Ruby: the scenario release_build brings these tests to one."""

import shutil
import subprocess
from pathlib import Path

import pytest

RUBY = shutil.which("ruby")


@pytest.mark.skipif(RUBY is None, reason="no Ruby here: apt-get install ruby ruby-minitest")
def test_programs_in_ruby() -> None:
    assert RUBY is not None
    probe = subprocess.run([RUBY, "-rminitest", "-e", "exit(RUBY_VERSION >= '3.3')"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("needs Ruby 3.3 and the package ruby-minitest")
    done = subprocess.run([RUBY, str(Path(__file__).parent / "run.rb")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
