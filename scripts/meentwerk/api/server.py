"""Where a server is: its address as a person types it, checked before anything is sent."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from meentwerk.errors import UsageError


@dataclass(frozen=True)
class Server:
    """A Mastodon server. `url` has no path; `address` is where to connect when the name is not known here."""

    url: str
    ca_file: Path | None = None
    address: str | None = None

    @property
    def host(self) -> str:
        """The name in the address, without a port."""
        return urlsplit(self.url).hostname or ""

    @classmethod
    def parse(cls, text: str, ca_file: Path | None = None, address: str | None = None) -> "Server":
        """Read `social.example.org` or `https://social.example.org`; UsageError for anything else.

        Plain http would show the token to everyone on the way: it is taken for this machine only.
        """
        try:
            parts = urlsplit(text if "://" in text else f"https://{text}")
            port = f":{parts.port}" if parts.port else ""
        except ValueError as error:
            raise UsageError(
                f"{text!r} is no address of a server: {error}", "write https://social.example.org"
            ) from None
        if not parts.hostname or parts.scheme not in {"http", "https"} or parts.username or parts.password:
            raise UsageError(
                f"{text!r} is no address of a server", "write https://social.example.org, and no name or password"
            )
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise UsageError(f"{text!r} is the address of a page", f"write https://{parts.hostname}{port}")
        if parts.scheme == "http" and not _is_this_machine(parts.hostname):
            raise UsageError(
                f"{text!r} is not encrypted: everyone on the way could read the token",
                f"write https://{parts.hostname}{port}",
            )
        if ca_file is not None and not ca_file.is_file():
            raise UsageError(f"there is no file {ca_file} with certificates", "give the PEM file of the authority")
        name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{parts.scheme}://{name}{port}", ca_file, address)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
