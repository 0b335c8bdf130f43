"""A gem server: .gem files made here, and the compact index that bundler reads (guides.rubygems.org)."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Gem:
    """A gem: its files by path, and what its specification says."""

    name: str
    version: str
    files: Mapping[str, str]
    extensions: tuple[str, ...] = ()
    executables: tuple[str, ...] = ()
    dependencies: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Name and version, as the file is named."""
        return f"{self.name}-{self.version}"

    def specification(self) -> str:
        """Give the specification as RubyGems writes it into metadata.gz."""

        def version(kind: str, operator: str, number: str) -> list[str]:
            return [
                f"{kind}: !ruby/object:Gem::Requirement",
                "  requirements:",
                f'  - - "{operator}"',
                "    - !ruby/object:Gem::Version",
                f"      version: '{number}'",
            ]

        lines = [
            "--- !ruby/object:Gem::Specification",
            f"name: {self.name}",
            "version: !ruby/object:Gem::Version",
            f"  version: {self.version}",
            "platform: ruby",
            "authors:",
            "- nobody",
            "bindir: exe",
            "cert_chain: []",
            "date: 2026-01-01 00:00:00.000000000 Z",
            f"dependencies:{'' if self.dependencies else ' []'}",
        ]
        for name, number in self.dependencies.items():
            lines += ["- !ruby/object:Gem::Dependency", f"  name: {name}"]
            for kind in ("requirement", "version_requirements"):
                lines += [f"  {line}" for line in version(kind, "=", number)]
            lines += ["  type: :runtime", "  prerelease: false"]
        lines += [
            f"executables: {json.dumps(self.executables)}",
            f"extensions: {json.dumps(self.extensions)}",
            "extra_rdoc_files: []",
            f"files: {json.dumps(sorted(self.files))}",
            "licenses:",
            "- EUPL-1.2",
            "metadata: {}",
            "require_paths:",
            "- lib",
            *version("required_ruby_version", ">=", "0"),
            *version("required_rubygems_version", ">=", "0"),
            "rubygems_version: 3.6.0",
            "specification_version: 4",
            f"summary: {self.name} of the tests",
            "test_files: []",
        ]
        return "\n".join(lines) + "\n"

    def content(self) -> bytes:
        """Give the .gem file."""
        inner = _tar({name: text.encode() for name, text in sorted(self.files.items())})
        return _tar(
            {
                "metadata.gz": gzip.compress(self.specification().encode(), mtime=0),
                "data.tar.gz": gzip.compress(inner, mtime=0),
            }
        )


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), 0o755 if name.startswith("exe/") else 0o644, 1767225600
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def publish(folder: Path, gems: list[Gem]) -> None:
    """Write a server's files: gems/, info/ and versions."""
    (folder / "gems").mkdir(parents=True, exist_ok=True)
    (folder / "info").mkdir(exist_ok=True)
    lines = ["created_at: 2026-01-01T00:00:00Z", "---"]
    for gem in gems:
        content = gem.content()
        (folder / "gems" / f"{gem.full_name}.gem").write_bytes(content)
        needs = ",".join(f"{name}:= {number}" for name, number in gem.dependencies.items())
        info = f"---\n{gem.version} {needs}|checksum:{hashlib.sha256(content).hexdigest()}\n"
        (folder / "info" / gem.name).write_text(info)
        lines.append(f"{gem.name} {gem.version} {hashlib.md5(info.encode()).hexdigest()}")
    (folder / "versions").write_text("\n".join(lines) + "\n")
