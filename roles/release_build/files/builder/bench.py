"""The folders of a build, and how commands run in them: without rights, and without network where none is needed."""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import BuildError
from .plan import GITHUB, Plan
from .reasons import explain

USER = "meentwerk-build"
KEPT_LINES = 200
VMSTAT = Path("/proc/vmstat")
_BIND = 'mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"'
_LOOPBACK = 'ip link set lo up 2>/dev/null; exec "$@"'


def kills() -> int:
    """Count what the kernel has killed for want of memory since it started."""
    lines = VMSTAT.read_text(encoding="utf-8").splitlines() if VMSTAT.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


@dataclass(frozen=True)
class Bench:
    """The work folder of one build."""

    work: Path
    plan: Plan

    @property
    def kit(self) -> Path:
        """What the role brought: plan, program, overlay, certificates."""
        return self.work / "kit"

    @property
    def app(self) -> Path:
        """The tree that becomes the release."""
        return self.work / "app"

    @property
    def tools(self) -> Path:
        """What only the build needs."""
        return self.work / "tools"

    @property
    def downloads(self) -> Path:
        """All that came from outside, in the shape of release_build_downloads."""
        return self.work / "downloads"

    @property
    def home(self) -> Path:
        """HOME of the build user: configuration of git, bundler and yarn."""
        return self.work / "home"

    @property
    def node(self) -> Path:
        """Node.js, inside the release."""
        return self.app / "vendor/node/bin/node"

    def environment(self) -> dict[str, str]:
        """Give the environment of every command; nothing of the caller's enters it."""
        plan = self.plan
        values = {
            "HOME": str(self.home),
            "PATH": f"{self.node.parent}:{self.tools / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "CI": "1",  # tools neither ask nor draw
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        epoch = self.work / "epoch"
        if epoch.is_file():
            values["SOURCE_DATE_EPOCH"] = epoch.read_text(encoding="utf-8")
        for name in ("http_proxy", "https_proxy", "no_proxy"):
            if value := getattr(plan, name):
                values[name] = values[name.upper()] = value
        if plan.certificates:
            bundle = str(self.work / "ca.pem")
            for name in ("SSL_CERT_FILE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "YARN_HTTPS_CA_FILE_PATH"):
                values[name] = bundle
        return values

    def run(
        self,
        command: Sequence[str | Path],
        what: str,
        *,
        cwd: Path | None = None,
        network: bool = False,
        extra: Mapping[str, str] | None = None,
        root: bool = False,
        bind: Path | None = None,
    ) -> str:
        """Run a command to its end and give what it printed on stdout; its failure is told with cause and cure.

        Without `network` it runs in a network namespace of its own, which reaches nothing. With `bind` it sees the tree
        under that path too, and runs there.
        """
        if network and self.plan.offline:
            raise BuildError(f"{what} would need the network in an offline build.", "This is a bug: report it.")
        argv = [str(word) for word in command]
        if not root:
            user = pwd.getpwnam(USER)
            argv = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
                    "--inh-caps=-all", "--no-new-privs", "--", *argv]  # fmt: skip
        if bind:
            argv = ["unshare", "--mount", "sh", "-c", _BIND, "sh", str(self.app), str(bind), *argv]
        if not network:
            argv = ["unshare", "--net", "sh", "-c", _LOOPBACK, "sh", *argv]
        environment = {**self.environment(), **(extra or {})}
        folder = self.work / "logs"
        folder.mkdir(exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9.+]+", "-", what)
        results, log = folder / f"{name}.out", folder / f"{name}.log"
        killed = kills()
        with results.open("w", encoding="utf-8") as out, log.open("w", encoding="utf-8") as err:
            err.write(f"$ {' '.join(str(word) for word in command)}\n")
            err.flush()
            done = subprocess.run(
                argv,
                cwd=cwd or self.app,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                check=False,
            )
        printed = results.read_text(encoding="utf-8", errors="replace")
        if done.returncode:
            lines = f"{printed}\n{log.read_text(encoding='utf-8', errors='replace')}".splitlines()
            raise explain(what, done.returncode, lines[-KEPT_LINES:], self.plan, str(folder / f"{name}.*"),
                          out_of_memory=kills() > killed)  # fmt: skip
        return printed

    def own(self, *paths: Path) -> None:
        """Give paths, and all that they hold, to the build user."""
        user = pwd.getpwnam(USER)
        for path in paths:
            os.lchown(path, user.pw_uid, user.pw_gid)
            for folder, names, files in os.walk(path):
                for name in [*names, *files]:
                    os.lchown(Path(folder) / name, user.pw_uid, user.pw_gid)

    def folder(self, path: Path, *, empty: bool = False) -> Path:
        """Make a folder of the build user, emptied of what an interrupted stage left there."""
        if empty and path.exists():
            shutil.rmtree(path)
        missing = [each for each in (path, *path.parents) if not each.exists()]
        path.mkdir(parents=True, exist_ok=True)
        self.own(*(each for each in reversed(missing) if self.work in each.parents))
        return path

    def write_configuration(self) -> None:
        """Tell git and bundler of the mirrors; both read it from the home of the build user."""
        plan = self.plan
        lines = ["[advice]", "\tdetachedHead = false", "[core]", "\thooksPath = /dev/null"]
        if plan.git_mirror:
            lines += [f'[url "{plan.git_source}"]', f"\tinsteadOf = {GITHUB}"]
        (self.home / ".gitconfig").write_text("\n".join(lines) + "\n", encoding="utf-8")
        bundle = self.home / ".bundle"
        bundle.mkdir(exist_ok=True)
        mirror = f'BUNDLE_MIRROR__HTTPS://RUBYGEMS__ORG/: "{plan.gem_source}"\n' if plan.gem_mirror else ""
        (bundle / "config").write_text(f"---\n{mirror}", encoding="utf-8")
        self.own(self.home)
