"""What is to be built, and from where: plan.json, as the role writes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GITHUB = "https://github.com/"
RUBYGEMS = "https://rubygems.org/"
NPM = "https://registry.npmjs.org/"
# Debian's word -> npm's word
NPM_ARCHITECTURES = {"amd64": "x64", "arm64": "arm64"}


@dataclass(frozen=True)
class Pin:
    """A package of the npm registry as the catalogue pins it."""

    version: str
    integrity: str
    """``sha512-`` and base64, as the registry states it."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides a build."""

    version: str
    architecture: str
    repository: str
    tag: str
    commit: str
    inputs: str
    build_packages: list[str]
    runtime_packages: list[str]
    npm: dict[str, Pin] = field(default_factory=dict)
    git_mirror: str = ""
    gem_mirror: str = ""
    npm_mirror: str = ""
    debian_mirror: str = ""
    debian_security_mirror: str = ""
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    certificates: bool = False
    offline: bool = False
    keep: bool = False
    memory_mb: int = 3000
    disk_mb: int = 6000
    identifier: str = ""

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read plan.json; keys that the builder does not know are a mistake of the role."""
        return cls.make(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def make(cls, document: Mapping[str, Any]) -> "Plan":
        """Make a plan of a document."""
        values = dict(document)
        values["npm"] = {name: Pin(**pin) for name, pin in values.get("npm", {}).items()}
        return cls(**values)

    @property
    def registry(self) -> str:
        """Where npm packages come from, with a slash at its end."""
        return _slash(self.npm_mirror or NPM)

    @property
    def gem_source(self) -> str:
        """Where gems come from, with a slash at its end."""
        return _slash(self.gem_mirror or RUBYGEMS)

    @property
    def git_source(self) -> str:
        """What stands in for https://github.com/, with a slash at its end."""
        return _slash(self.git_mirror or GITHUB)

    @property
    def node_package(self) -> str:
        """The npm package that carries Node.js for the builder's architecture."""
        return f"node-linux-{NPM_ARCHITECTURES[self.architecture]}"


def _slash(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"
