"""How these tests ask: on the host itself, with the chain verified by the host's own store."""

from dataclasses import dataclass, field

from testinfra.host import Host

SITE = "https://social.example.test"
ADDRESSES = {"-4": "10.87.26.11", "-6": "fd87:6d65:656e::26:11"}
HSTS = "max-age=63072000"


@dataclass
class Answer:
    """One answer: the status line's parts, header values by lower-case name (a list: some must come once), the body."""

    version: str
    status: int
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: str = ""


def ask(host: Host, url: str, *options: str) -> Answer:
    quoted = " ".join(f"'{option}'" for option in options)
    # A WebSocket's frames are bytes that are no text
    done = host.run(f"set -o pipefail; curl -sS -i -m 15 {quoted} '{url}' | tr -cd '[:print:]\\r\\n'")
    assert done.rc == 0, f"{url}: {done.stderr}"
    head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
    line, *lines = head.splitlines()
    headers: dict[str, list[str]] = {}
    for name, _, value in (each.partition(": ") for each in lines):
        headers.setdefault(name.lower(), []).append(value)
    return Answer(line.split()[0], int(line.split()[1]), headers, body)
