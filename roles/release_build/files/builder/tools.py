"""Stage `tools`: Ruby of Debian, Node.js and yarn of the npm registry, as the source asks for them."""

import base64
import hashlib
import json
import re
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from .bench import Bench
from .errors import BuildError
from .plan import Pin

TIMEOUT = 60
_WORDS = re.compile(r"""(["'])(.*?)\1""")
_ABBREVIATED = "application/vnd.npm.install-v1+json"


def fetch(bench: Bench) -> None:
    """Check Ruby, then bring Node.js and yarn, each proven by its SHA-512 before it is unpacked."""
    ruby = check_ruby(bench)
    line = node_line(read(bench, ".nvmrc"))
    node = choose(bench, bench.plan.node_package, line)
    package, version = yarn_package(read(bench, "package.json"))
    yarn = choose(bench, package, version)
    unpack(
        bench,
        bench.plan.node_package,
        node,
        bench.folder(bench.app / "vendor/node", empty=True),
        ["bin/node", "LICENSE"],
    )
    unpack(bench, package, yarn, bench.folder(bench.tools / "yarn", empty=True), ["bin/yarn.js"])
    bench.folder(bench.tools / "bin")
    starter = bench.tools / "bin/yarn"
    starter.write_text(f'#!/bin/sh\nexec "{bench.node}" "{bench.tools}/yarn/bin/yarn.js" "$@"\n', encoding="utf-8")
    starter.chmod(0o755)
    document = {
        "ruby": ruby, "node": node.version, "node_integrity": node.integrity,
        "yarn": yarn.version, "yarn_integrity": yarn.integrity,
    }  # fmt: skip
    (bench.work / "toolchain.json").write_text(json.dumps(document) + "\n", encoding="utf-8")


def read(bench: Bench, name: str) -> str:
    """Read a file of the source that a build cannot do without."""
    try:
        return (bench.app / name).read_text(encoding="utf-8")
    except OSError:
        raise BuildError(
            f"The source has no file {name}.",
            f"{bench.plan.tag} of {bench.plan.repository} is no Mastodon as it is known here.",
        ) from None


def ruby_requirement(gemfile: str) -> list[str]:
    """Give the requirements of a Gemfile's `ruby` line, as [">= 3.3.0", "< 4.1.0"]; none when it has no plain one."""
    match = re.search(r"^ruby[ \t]+(['\"].*)$", gemfile, re.MULTILINE)
    return [word[1] for word in _WORDS.findall(match[1])] if match else []


def check_ruby(bench: Bench) -> str:
    """Give the version of Debian's Ruby; refuse a source that asks for another."""
    wanted = ruby_requirement(read(bench, "Gemfile"))
    program = "puts RUBY_VERSION; exit Gem::Requirement.new(*ARGV).satisfied_by?(Gem.ruby_version) ? 0 : 3"
    done = subprocess.run(["ruby", "-e", program, *(wanted or [">= 0"])], capture_output=True, text=True, check=False)
    version = done.stdout.strip()
    if done.returncode:
        raise BuildError(
            f"The Gemfile of {bench.plan.tag} asks for Ruby {', '.join(wanted)}; Debian 13 has {version or 'none'}.",
            "This version cannot be built for Debian 13. Choose one that can.",
        )
    return version


def node_line(text: str) -> str:
    """Give what .nvmrc asks for as a beginning of a version: 24.17, 24 or 24.17.0."""
    line = text.strip().removeprefix("v")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+){0,2}", line):
        raise BuildError(
            f"The source's .nvmrc says {text.strip()!r}, which is no version.", "Use a tag that names a version there."
        )
    return line


def yarn_package(text: str) -> tuple[str, str]:
    """Give npm's name and the version of the yarn that package.json asks for in packageManager."""
    asked = str(json.loads(text).get("packageManager", ""))
    match = re.fullmatch(r"yarn@([0-9]+)(\.[0-9]+\.[0-9]+)(\+.*)?", asked)
    if not match:
        raise BuildError(
            f"The source's package.json names {asked or 'nothing'} as packageManager.",
            "Use a tag that names yarn@VERSION there.",
        )
    return ("yarn" if match[1] == "1" else "@yarnpkg/cli-dist"), match[1] + match[2]


def numbers(version: str) -> tuple[int, ...]:
    """Give a version as numbers, for comparing."""
    return tuple(int(part) for part in version.split("."))


def fits(version: str, line: str) -> bool:
    """Tell whether a version lies in the line that the source asks for."""
    return numbers(version)[: len(numbers(line))] == numbers(line)


def choose(bench: Bench, package: str, line: str) -> Pin:
    """Give the pinned version of a package if there is one, else the newest that fits, with the registry's own hash."""
    pin = bench.plan.npm.get(package)
    if pin:
        newer = numbers(pin.version) >= numbers(line) and numbers(pin.version)[0] == numbers(line)[0]
        if not fits(pin.version, line) and not newer:
            raise BuildError(
                f"The catalogue pins {package} {pin.version} for {bench.plan.version}, and the source asks for {line}.",
                "Pin a version of that line with its hash, or leave the pin out.",
            )
        return pin
    if bench.plan.offline:
        return kept_choice(bench, package, line)
    document = ask(bench, package)
    found = [version for version in document["versions"] if re.fullmatch(r"[0-9.]+", version) and fits(version, line)]
    if not found:
        raise BuildError(
            f"{bench.plan.registry} has no {package} {line}.",
            "Let the mirror catch up, or pin a newer version of the same major in the catalogue's row (npm).",
        )
    version = max(found, key=numbers)
    integrity = str(document["versions"][version]["dist"]["integrity"])
    bench.folder(archive(bench, package, version).parent)
    archive(bench, package, version).with_suffix(".json").write_text(
        json.dumps({"integrity": integrity}), encoding="utf-8"
    )
    return Pin(version, integrity)


def kept_choice(bench: Bench, package: str, line: str) -> Pin:
    """Give the version that the build with network chose and kept."""
    prefix = archive(bench, package, "").name.removesuffix(".tgz")
    kept = {
        path.name.removeprefix(prefix).removesuffix(".json"): path
        for path in (bench.downloads / "npm").glob(f"{prefix}*.json")
    }
    versions = [version for version in kept if re.fullmatch(r"[0-9.]+", version) and fits(version, line)]
    if not versions:
        raise lacking(package, line)
    version = max(versions, key=numbers)
    return Pin(version, json.loads(kept[version].read_text(encoding="utf-8"))["integrity"])


def lacking(package: str, version: str) -> BuildError:
    """Say what an offline build misses."""
    return BuildError(
        f"The folder of downloads lacks {package} {version} of the npm registry.",
        "Fill release_build_downloads by a build with network of this version.",
    )


def archive(bench: Bench, package: str, version: str) -> Path:
    """Give the place of a package's file among the downloads."""
    return bench.downloads / "npm" / f"{package.replace('/', '+').removeprefix('@')}-{version}.tgz"


def check_integrity(content: bytes, integrity: str) -> str:
    """Give the stated hash when it is another than the content's; empty when they agree. Only SHA-512 counts."""
    stated = next((word for word in integrity.split() if word.startswith("sha512-")), "")
    actual = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    return "" if stated == actual else actual


def unpack(bench: Bench, package: str, pin: Pin, target: Path, members: list[str]) -> None:
    """Bring a package, prove it, and unpack the named files below `package/` into a folder."""
    path = archive(bench, package, pin.version)
    if not path.is_file():
        if bench.plan.offline:
            raise lacking(package, pin.version)
        base = package.rpartition("/")[2]
        content = get(bench, f"{bench.plan.registry}{package}/-/{base}-{pin.version}.tgz", "*/*")
        refuse_other(bench, package, pin, content)
        bench.folder(path.parent)
        path.write_bytes(content)
        bench.own(path)
    refuse_other(bench, package, pin, path.read_bytes())
    names = [f"package/{name}" for name in members]
    bench.run(["tar", "--extract", "--gzip", "--no-same-owner", "--strip-components=1", "--file", path, *names],
              f"unpack {package}", cwd=target)  # fmt: skip


def refuse_other(bench: Bench, package: str, pin: Pin, content: bytes) -> None:
    """Refuse a file that is not what was pinned."""
    if actual := check_integrity(content, pin.integrity):
        pinned = package in bench.plan.npm
        raise BuildError(
            f"{package} {pin.version} has the hash {actual}, and "
            f"{'the catalogue pins' if pinned else 'the registry states'} {pin.integrity}.",
            "It was not unpacked. Do not use that source: the file was replaced or damaged on its way.",
        )


def ask(bench: Bench, package: str) -> Any:  # noqa: ANN401  what the registry answers
    """Ask the registry for the versions of a package."""
    url = bench.plan.registry + urllib.parse.quote(package, safe="@")
    try:
        return json.loads(get(bench, url, _ABBREVIATED))
    except ValueError:
        raise BuildError(
            f"{url} answers something that is no JSON.", "Is release_build_npm_mirror an npm registry?"
        ) from None


def get(bench: Bench, url: str, accept: str) -> bytes:
    """Get a document from the registry, through the proxy when there is one."""
    plan = bench.plan
    host = urllib.parse.urlsplit(url).hostname or ""
    direct = any(
        host == name.strip().lstrip(".") or host.endswith("." + name.strip().lstrip("."))
        for name in plan.no_proxy.split(",")
        if name.strip()
    )
    proxies = {} if direct else {k: v for k, v in (("http", plan.http_proxy), ("https", plan.https_proxy)) if v}
    context = ssl.create_default_context(cafile=str(bench.work / "ca.pem") if plan.certificates else None)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
    )
    try:
        # The address begins with that of the registry, which the operator named
        request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310
        with opener.open(request, timeout=TIMEOUT) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise BuildError(
            f"{url} answers {error.code} {error.reason}.",
            "Check release_build_npm_mirror, or the pin in the catalogue.",
        ) from None
    except OSError as error:
        why = getattr(error, "reason", error)
        if "CERTIFICATE" in str(why).upper():
            raise BuildError(
                f"The certificate of {url} is of an authority that the builder does not know.",
                "Behind a proxy that inspects TLS, name the file with its authority: release_build_ca_certificates.",
            ) from None
        raise BuildError(
            f"The npm registry does not answer: {url}: {why}.",
            "Check that the builder reaches it, or set release_build_npm_mirror or release_build_proxy.",
        ) from None
