"""The bill of materials of a release, as CycloneDX 1.6 JSON."""

import uuid
from collections.abc import Sequence
from typing import Any

from meentwerk.release.identity import Flavour, ReleaseId

# Any fixed UUID will do: it makes serial numbers a function of the release instead of the moment
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:meentwerk:release")
CONSTRAINT = "meentwerk:debian:constraint"
UNPACKED = "meentwerk:unpacked-bytes"


def bill_of_materials(
    identifier: ReleaseId, flavour: Flavour, archive_sha256: str, size: int, components: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Describe a release: itself with its hash, the Debian packages it needs on its host, and what went into it.

    The host's Debian decides which version of a package runs, so the document states the relation and no version, and
    carries no timestamp: the same release has the same bill.
    """
    ref = f"release:{identifier}"
    packages = [_package(name, constraint, identifier) for name, constraint in flavour.packages.items()]
    packages += sorted(components, key=lambda component: str(component["bom-ref"]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{identifier} {archive_sha256}')}",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "component": {
                "type": "application",
                "bom-ref": ref,
                "name": identifier.name,
                "version": identifier.version,
                "hashes": [{"alg": "SHA-256", "content": archive_sha256}],
                "licenses": [{"license": {"id": flavour.licence}}],
                "purl": f"pkg:generic/{identifier.name}@{identifier.version}?arch={identifier.architecture}",
                "properties": [{"name": UNPACKED, "value": str(size)}],
            },
        },
        "components": packages,
        "dependencies": [{"ref": ref, "dependsOn": [package["bom-ref"] for package in packages]}],
    }


def _package(name: str, constraint: str, identifier: ReleaseId) -> dict[str, Any]:
    package: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"deb:{name}",
        "name": name,
        "scope": "required",
        # The package URL specification percent-encodes a plus sign
        "purl": f"pkg:deb/debian/{name.replace('+', '%2B')}?distro=debian-{identifier.debian}",
    }
    if constraint:
        package["properties"] = [{"name": CONSTRAINT, "value": constraint}]
    return package
