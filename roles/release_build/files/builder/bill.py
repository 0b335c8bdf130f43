"""What a release consists of: its gems, its npm packages, the Debian packages whose libraries it loads."""

import base64
import hashlib
import json
import os
import re
import stat
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

from .bench import Bench
from .errors import BuildError
from .plan import Plan

LIST_GEMS = r"""
require 'json'
puts JSON.generate(ARGV.sort.map { |file|
  spec = Gem::Specification.load(file) or abort("cannot read #{file}")
  { name: spec.name, version: spec.version.to_s, licenses: spec.licenses, file: spec.full_name }
})
"""
DERIVED = "tmp/cache/bootsnap/"
NEEDED = re.compile(r"^\s+NEEDED\s+(\S+)", re.MULTILINE)


def gems(bench: Bench) -> list[dict[str, Any]]:
    """List the gems as CycloneDX components; those of the registry with the hash of their file."""
    app = bench.app
    hashes = json.loads((bench.work / "gem-hashes.json").read_text(encoding="utf-8"))
    files = sorted(app.glob("vendor/bundle/ruby/*/specifications/*.gemspec"))
    shown = bench.run(["ruby", "-e", LIST_GEMS, *files], "list the gems") if files else "[]"
    found = []
    for gem in json.loads(shown):
        component = entry("gem", gem["name"], gem["version"], gem["licenses"])
        if gem["file"] in hashes:
            component["hashes"] = [{"alg": "SHA-256", "content": hashes[gem["file"]]}]
        found.append(component)
    return found + git_gems((app / "Gemfile.lock").read_text(encoding="utf-8"))


def git_gems(lock: str) -> list[dict[str, Any]]:
    """List the gems that a lockfile takes from git, with repository and commit."""
    found = []
    for block in re.findall(r"^GIT\n((?:  .*\n)+)", lock, re.MULTILINE):
        remote = re.search(r"^  remote: (\S+)", block, re.MULTILINE)
        revision = re.search(r"^  revision: ([0-9a-f]+)", block, re.MULTILINE)
        if not remote or not revision:
            continue
        source = urllib.parse.quote(f"git+{remote[1]}@{revision[1]}", safe="")
        for name, version in re.findall(r"^    ([\w.-]+) \(([^)]+)\)", block, re.MULTILINE):
            component = entry("gem", name, version, [])
            component["purl"] += f"?vcs_url={source}"
            found.append(component)
    return found


def modules(app: Path) -> list[dict[str, Any]]:
    """List the npm packages that streaming loads."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted((app / "node_modules").rglob("package.json")):
        # package.json files also lie deeper inside packages; a package is named by its folder
        folder = path.parent.relative_to(app).as_posix()
        name = folder.rpartition("node_modules/")[2]
        if path.parent.is_symlink() or not re.fullmatch(r"(@[^/]+/)?[^/@]+", name):
            continue
        document = json.loads(path.read_text(encoding="utf-8"))
        if "version" not in document:
            continue
        licence = document.get("license")
        key = (name, str(document["version"]))
        found[key] = entry("npm", *key, [licence] if isinstance(licence, str) else [])
    return list(found.values())


def node(toolchain: dict[str, str], plan: Plan) -> dict[str, Any]:
    """Name Node.js itself."""
    component = entry("npm", plan.node_package, toolchain["node"], ["MIT"])
    component["hashes"] = [{"alg": "SHA-512", "content": to_hex(toolchain["node_integrity"])}]
    return component


def to_hex(integrity: str) -> str:
    """Turn sha512-BASE64 into hexadecimal digits."""
    return base64.b64decode(integrity.partition("-")[2]).hex()


def entry(kind: str, name: str, version: str, licences: list[str]) -> dict[str, Any]:
    """Make a component."""
    purl = f"pkg:{kind}/{urllib.parse.quote(name, safe='/')}@{urllib.parse.quote(version)}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"{kind}:{name}@{version}",
        "name": name,
        "version": version,
        "purl": purl,
    }
    if licences:
        component["licenses"] = [{"license": {"name": licence}} for licence in licences]
    return component


def libraries(bench: Bench) -> list[str]:
    """Name the Debian packages whose libraries the compiled parts ask for."""
    from .trim import is_library  # noqa: PLC0415  the two look at the same files

    # npm packages bring libraries for several systems and use the one that fits, or none
    paths = [path for path in (bench.app / "vendor").rglob("*") if is_library(path)]
    if not paths:
        return []
    shown = bench.run(["objdump", "--private-headers", *paths], "read what the extensions load")
    own = {path.name for path in paths}
    names = {name for name in NEEDED.findall(shown) if name not in own}
    listed = subprocess.run(["ldconfig", "--print-cache"], capture_output=True, text=True, check=True).stdout
    places: dict[str, str] = {}
    for line in listed.splitlines():
        name, arrow, place = line.partition(" => ")
        if arrow:
            places.setdefault(name.split()[0], place.strip())
    absent = sorted(names - places.keys())
    if absent:
        raise BuildError(
            f"Extensions load {', '.join(absent)}, which the builder does not have.",
            "Name the Debian package in release_build_extra_packages, so that it is there when they are compiled.",
        )
    return sorted({package for name in names if (package := owner(places[name])) and package != "libc6"})


def owner(path: str) -> str:
    """Name the Debian package of a file; dpkg knows it by its real path or by the one before /usr was merged."""
    real = str(Path(path).resolve())
    for candidate in (path, real, real.removeprefix("/usr"), f"/usr{path}"):
        done = subprocess.run(["dpkg-query", "--search", candidate], capture_output=True, text=True, check=False)
        if not done.returncode:
            return done.stdout.partition(":")[0]
    raise BuildError(
        f"No Debian package has {path}, which an extension loads.",
        "Remove it: a release may load only what Debian has.",
    )


def tree_digest(app: Path) -> str:
    """Give one SHA-256 over the files of the tree, as scripts/meentwerk/release/identity.py does on the controller."""
    lines = []
    for folder, names, files in os.walk(app):
        for name in [*names, *files]:
            path = Path(folder) / name
            place = path.relative_to(app).as_posix()
            if path.is_symlink():
                lines.append((place, "link", hashlib.sha256(os.fsencode(path.readlink())).hexdigest()))
            elif path.is_file() and not place.startswith(DERIVED):
                kind = "executable" if path.stat().st_mode & stat.S_IXUSR else "file"
                lines.append((place, kind, hashlib.sha256(path.read_bytes()).hexdigest()))
    return hashlib.sha256("\n".join(json.dumps(line) for line in sorted(lines)).encode()).hexdigest()


def compilers() -> dict[str, str]:
    """Name the versions of the Debian packages that decide what a compiler makes."""
    names = ("gcc", "ruby3.3", "libvips42t64")
    done = subprocess.run(["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *names],
                          capture_output=True, text=True, check=False)  # fmt: skip
    return {f"debian:{line.split()[0]}": line.split()[1] for line in done.stdout.splitlines() if len(line.split()) > 1}
