"""Lists that others keep: files beside the layer, addresses with a pinned checksum, another server's public blocks."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from meentwerk.entries.problem import Place, Problem
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit
from meentwerk.files import replace_file
from meentwerk.moderation import lists
from meentwerk.moderation.layers import LayerFile
from meentwerk.moderation.lists import BlockList
from meentwerk.moderation.merge import Read
from meentwerk.moderation.model import Source

CHUNK = 64 * 1024
PUBLIC_BLOCKS = "/api/v1/instance/domain_blocks"

Fetch = Callable[[str, int, int], bytes]


class FetchError(MeentwerkError):
    """A list cannot be had; nothing was changed."""


def read_all(layers: Sequence[LayerFile], fetch: Fetch | None = None) -> list[Read]:
    """Read every source of every layer. What is wrong with a list stands in its problems; it never stops the others."""
    read = []
    for layer in layers:
        for number, source in enumerate(layer.layer.sources):
            origin = f"list {source.name} ({layer.layer.layer})"
            found = _read(layer, number, source, origin, fetch or fetch_https)
            read.append(Read(source, layer.layer.layer, found))
    return read


def _read(layer: LayerFile, number: int, source: Source, origin: str, fetch: Fetch) -> BlockList:
    place = layer.place("sources", number, "file" if source.file else "url" if source.url else "instance")
    file = layer.document.file.parent / source.file if source.file else Path(source.url or f"https://{source.instance}")
    failed = BlockList(origin)
    try:
        raw = _bytes(source, file, fetch)
    except FetchError as error:
        failed.problems.append(Problem(place, f"list {source.name}", error.message, error.cure))
        return failed
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        wrong = f"{file}:{line}: this is not UTF-8."
        failed.problems.append(Problem(place, f"list {source.name}", wrong, "Save the list as UTF-8."))
        return failed
    # A server that publishes a domain limits it; what it does not rate is a limit at least
    default = "silence" if source.instance else "suspend"
    return lists.parse(text, file, origin, "json" if source.instance else source.format, default)


def _bytes(source: Source, file: Path, fetch: Fetch) -> bytes:
    if source.file:
        try:
            with file.open("rb") as stream:
                raw = stream.read(source.most_bytes + 1)
        except OSError as error:
            cure = "Give its path from the layer's folder."
            raise FetchError(f"{file} cannot be read: {error.strerror}.", cure, Exit.USAGE) from error
        return _checked(source, raw, str(file))
    if source.instance:
        return fetch(f"https://{source.instance}{PUBLIC_BLOCKS}", source.most_bytes, source.timeout)
    kept = _cache() / str(source.sha256)
    if kept.is_file():
        raw = kept.read_bytes()
        if hashlib.sha256(raw).hexdigest() == source.sha256:
            return raw
    raw = _checked(source, fetch(str(source.url), source.most_bytes, source.timeout), str(source.url))
    kept.parent.mkdir(parents=True, exist_ok=True)
    replace_file(kept, raw.decode("utf-8", "surrogateescape"), 0o644) if raw.isascii() else kept.write_bytes(raw)
    return raw


def _checked(source: Source, raw: bytes, where: str) -> bytes:
    if len(raw) > source.most_bytes:
        wrong = f"{where} is longer than {source.most_bytes} bytes."
        raise FetchError(wrong, "Look at it, then raise most_bytes if it is right.", Exit.USAGE)
    if source.sha256 and (found := hashlib.sha256(raw).hexdigest()) != source.sha256:
        cure = f"Compare it with what you had. If the change is wanted: sha256: {found}"
        raise FetchError(f"{where} does not hold what sha256 pins.", cure, Exit.USAGE)
    return raw


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meentwerk/lists"


def fetch_https(url: str, most_bytes: int, timeout: int) -> bytes:
    """Fetch over https: no redirect to anything else, at most so many bytes, at most so many seconds in all."""
    import time  # noqa: PLC0415

    import requests  # noqa: PLC0415  # only where a list is behind an address

    deadline = time.monotonic() + timeout
    try:
        with requests.get(url, stream=True, timeout=timeout, headers={"User-Agent": "Meentwerk"}) as answer:
            if any(not step.url.startswith("https://") for step in [*answer.history, answer]):
                raise FetchError(f"{url} leads away from https.", "Give the address where the list really is.")
            if answer.status_code != requests.codes.ok:
                cure = "Does it show its blocks to everybody?" if url.endswith(PUBLIC_BLOCKS) else "Look at it by hand."
                raise FetchError(f"{url} answers {answer.status_code}.", cure)
            raw = b""
            for chunk in answer.iter_content(CHUNK):
                raw += chunk
                if len(raw) > most_bytes:
                    raise FetchError(f"{url} is longer than {most_bytes} bytes.", "Raise most_bytes if it is right.")
                if time.monotonic() > deadline:
                    raise FetchError(f"{url} takes longer than {timeout} s.", "Try again, or raise timeout.")
            return raw
    except requests.RequestException as error:
        kind = type(error).__name__
        raise FetchError(f"{url} cannot be fetched: {kind}.", "Check the address and the network.") from error


def problems_of(read: Sequence[Read]) -> list[Problem]:
    """Return what is wrong with the lists themselves, with their place in the layer where the list has none."""
    return [problem for one in read for problem in one.found.problems]


def unread(read: Sequence[Read]) -> list[Read]:
    """Return sources of which nothing at all could be read: planning without them would lift what they block."""
    return [one for one in read if not one.found.entries and one.found.problems]


__all__ = ["FetchError", "Place", "fetch_https", "problems_of", "read_all", "unread"]
