#!/usr/bin/python3
"""Change the firewall without locking oneself out: new rules go by themselves unless a new connection confirms them.

meentwerk-firewall check FILE     is FILE a rule set this host accepts?
meentwerk-firewall apply FILE     put it in force now, take it back after some seconds unless confirmed
meentwerk-firewall confirm        from a NEW ssh connection or the console: keep it, also after a reboot
meentwerk-firewall rollback       take it back at once
meentwerk-firewall status         what is in force

Only the table "inet meentwerk" is ever touched. Exit codes: 0 done or in force, 1 unexpected, 2 bad usage or rules,
3 not in force or not confirmed, 6 refused by a guard.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import ipaddress
import json
import os
import re
import subprocess
import sys
import syslog
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TABLE = "inet meentwerk"
# "table" before "delete": deleting a table that is not there is an error
REPLACE = f"table {TABLE}\ndelete table {TABLE}\n"
SELF = Path("/usr/local/sbin/meentwerk-firewall")
RULES = Path("/etc/nftables.d/meentwerk.nft")
CONFIRMED = Path("/var/lib/meentwerk/firewall/confirmed.nft")
# In /run: after a reboot the unconfirmed rules are gone, and so is what would take them back
PENDING = Path("/run/meentwerk-firewall/pending.json")
UNIT = "meentwerk-firewall-rollback"

SHORTEST, LONGEST = 5, 3600
DONE, UNEXPECTED, BAD_INPUT, DRIFT, REFUSED = 0, 1, 2, 3, 6


class FirewallError(Exception):
    """An error a person can act on, with the exit code that tells scripts what kind it is."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Pending:
    """Rules in force that nobody has confirmed, and the way back."""

    id: str
    rules: str
    previous: str
    deadline: float
    connections: list[str]


def now() -> float:
    """Return seconds since boot: /run lives as long, and setting the clock changes nothing."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def run(*command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool and hand back what it said; never raises for its exit code."""
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def say(message: str) -> None:
    """Tell the person and the journal."""
    syslog.syslog(syslog.LOG_NOTICE, message)
    if "JOURNAL_STREAM" not in os.environ:
        # Run by the timer, what is printed would stand in the journal a second time
        print(message)


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by root only, and on disk before it counts."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


# ---------------------------------------------------------------- rules


def foreign_statement(text: str) -> str | None:
    """Return the first statement that is not `table inet meentwerk { ... }`, or None.

    Guards the tables of others (fail2ban, containers, the operator's own) against `flush ruleset` and the like.
    """
    # Strings first: a comment may hold braces, a string may hold a hash
    bare = re.sub(r'"[^"\n]*"', '""', text)
    bare = re.sub(r"#[^\n]*", "", bare)
    depth, outside = 0, ""
    for character in bare:
        if character == "{":
            depth += 1
            if depth == 1 and outside.split() != ["table", *TABLE.split()]:
                return " ".join(outside.split()) or "{"
            outside = ""
        elif character == "}":
            depth -= 1
        elif depth == 0:
            outside += character
    return " ".join(outside.split()) or None


def checked(path: Path) -> str:
    """Read a candidate and return the transaction that would put it in force.

    Raises:
        FirewallError: when the file cannot be read, touches another table, or nft does not accept it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FirewallError(BAD_INPUT, f"{path}: cannot be read: {error}") from error
    foreign = foreign_statement(text)
    if foreign:
        raise FirewallError(
            BAD_INPUT, f"{path}: holds '{foreign[:80]}'; expected nothing but 'table {TABLE} {{ ... }}'"
        )
    if not text.strip():
        raise FirewallError(BAD_INPUT, f"{path}: is empty; to take the firewall away: nft delete table {TABLE}")
    # On the first line, so that nft counts lines as the file does
    done = run("nft", "--check", "--file", "-", text=REPLACE.replace("\n", "; ") + text)
    if done.returncode:
        raise FirewallError(BAD_INPUT, f"{path}: not accepted by nft:\n{done.stderr.strip()}")
    return REPLACE + text


def listing(*, elements: bool) -> str:
    """Return the table in force without counters, as nft writes it; empty when there is none."""
    options = ["--stateless"] if elements else ["--stateless", "--terse"]
    done = run("nft", *options, "list", "table", *TABLE.split())
    return done.stdout if done.returncode == 0 else ""


def load(transaction: str) -> bool:
    """Put a transaction in force: all of it or, when any part is not accepted, nothing."""
    done = run("nft", "--file", "-", text=transaction)
    if done.returncode:
        syslog.syslog(syslog.LOG_ERR, f"nft did not load the rules: {done.stderr.strip()[:500]}")
    return done.returncode == 0


# ---------------------------------------------------------------- who asks


def connection(peer: str, peer_port: str, port: str) -> str:
    """Name a connection so that ss and sshd agree on it: IPv4 behind IPv6 is IPv4, no interface, no brackets."""
    address = ipaddress.ip_address(peer.strip("[]").partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return f"{mapped or address} {peer_port} {port}"


def open_connections() -> list[str]:
    """Return every established TCP connection of this host.

    Raises:
        FirewallError: without this list a new connection could not be told from an old one.
    """
    done = run("ss", "-Htn", "state", "established")
    if done.returncode:
        raise FirewallError(UNEXPECTED, f"cannot list connections: {done.stderr.strip()}")
    found = []
    for line in done.stdout.splitlines():
        *_, local, peer = line.split()[:4]
        peer_address, _, peer_port = peer.rpartition(":")
        found.append(connection(peer_address, peer_port, local.rpartition(":")[2]))
    return found


def own_connection() -> str | None:
    """Return the ssh connection this command came through, None on a console; sudo hides it, so ancestors are asked."""
    process = os.getpid()
    while process > 1:
        base = Path("/proc") / str(process)
        try:
            environment = (base / "environ").read_bytes().split(b"\0")
            parent = re.search(r"^PPid:\s*(\d+)$", (base / "status").read_text(), re.MULTILINE)
        except OSError:
            return None
        for entry in environment:
            if entry.startswith(b"SSH_CONNECTION="):
                peer, peer_port, _, port = entry.partition(b"=")[2].decode().split()
                return connection(peer, peer_port, port)
        process = int(parent.group(1)) if parent else 0
    return None


# ---------------------------------------------------------------- the way back


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Let one apply, confirm or rollback happen at a time, the timer's included."""
    PENDING.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with PENDING.with_name("lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pending() -> Pending | None:
    """Return what waits for confirmation, if anything."""
    try:
        return Pending(**json.loads(PENDING.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def arm(identifier: str, seconds: int) -> None:
    """Have systemd take the rules back later, whatever becomes of this process and its connection.

    Raises:
        FirewallError: when systemd cannot promise that; nothing may be applied then.
    """
    done = run(
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={UNIT}-{identifier}",
        f"--on-active={seconds}s",
        "--timer-property=AccuracySec=100ms",
        "--description=Take unconfirmed firewall rules back",
        str(SELF),
        "rollback",
        f"--id={identifier}",
    )
    if done.returncode:
        raise FirewallError(
            UNEXPECTED, f"nothing changed: the timer for the way back cannot be set: {done.stderr.strip()}"
        )


def disarm(identifier: str) -> None:
    """Stop a timer; one that already fired finds nothing to do."""
    run("systemctl", "stop", f"{UNIT}-{identifier}.timer")


def restore(waiting: Pending) -> None:
    """Put the former rules back; should nft not take them, the confirmed file; at worst no table, which lets ssh in."""
    permanent = RULES.read_text(encoding="utf-8") if RULES.exists() else REPLACE
    for transaction in (REPLACE + waiting.previous, permanent, REPLACE):
        if load(transaction):
            PENDING.unlink(missing_ok=True)
            return
    raise FirewallError(
        UNEXPECTED, f"nft takes no rules back: see journalctl -t {SELF.name}, or nft delete table {TABLE}"
    )


# ---------------------------------------------------------------- commands


def apply(path: Path, seconds: int) -> None:
    """Put a candidate in force with the way back armed first, so that a crash at any point ends in the old rules."""
    with locked():
        transaction = checked(path)
        before = pending()
        identifier = str(time.time_ns())
        deadline = now() + seconds
        # A second apply before the confirmation still goes back to what was confirmed, not to what was not
        previous = before.previous if before else listing(elements=True)
        connections = open_connections()
        arm(identifier, seconds)
        waiting = Pending(identifier, transaction, previous, deadline, connections)
        write(PENDING, json.dumps(asdict(waiting)))
        if before:
            disarm(before.id)
        if not load(transaction):
            restore(waiting)
            disarm(identifier)
            raise FirewallError(
                BAD_INPUT, f"{path}: nft checked these rules but did not load them; the former ones are in force"
            )
    say(f"New rules are in force for {seconds} s. Keep them from a NEW connection: {SELF.name} confirm")


def confirm() -> None:
    """Make the rules in force permanent, if the one who asks came through them."""
    with locked():
        waiting = pending()
        if waiting is None or now() > waiting.deadline:
            raise FirewallError(
                REFUSED, "nothing waits for confirmation: the rules were taken back, confirmed, or never applied"
            )
        own = own_connection()
        if own in waiting.connections:
            raise FirewallError(
                REFUSED, "this connection is older than the rules and proves nothing: open a new one, confirm there"
            )
        if own is not None and own not in open_connections():
            raise FirewallError(
                REFUSED, "this shell outlived its ssh connection (screen, tmux?): open a new one, confirm there"
            )
        # From here on the timer finds nothing to take back; a crash before the file is there is drift that status shows
        PENDING.unlink()
        write(RULES, waiting.rules)
        write(CONFIRMED, listing(elements=False))
        disarm(waiting.id)
    say(f"The rules are confirmed{'' if own else ' on the console'} and stand in {RULES}")


def rollback(identifier: str | None) -> None:
    """Put the former rules back; called by a timer it acts for its own apply only."""
    with locked():
        waiting = pending()
        if waiting is None or identifier not in (None, waiting.id):
            print("Nothing to take back")
            return
        restore(waiting)
        if identifier is None:
            disarm(waiting.id)
    say(
        "The former firewall rules are in force again"
        + ("" if identifier is None else ": nobody confirmed the new ones")
    )


def status(candidate: Path | None, *, as_json: bool) -> int:
    """Say what is in force, and whether a candidate is just that."""
    waiting, live = pending(), listing(elements=False)
    confirmed = CONFIRMED.read_text(encoding="utf-8") if CONFIRMED.exists() else None
    rules = RULES.read_text(encoding="utf-8") if RULES.exists() else None
    if waiting:
        state = "unconfirmed"
    elif not live:
        state = "absent"
    elif rules is None or live != confirmed:
        state = "drifted"
    else:
        state = "in force"
    report: dict[str, Any] = {"state": state, "rules": str(RULES)}
    if waiting:
        report["seconds_left"] = max(0, round(waiting.deadline - now()))
    same = True
    if candidate:
        same = state == "in force" and rules == REPLACE + candidate.read_text(encoding="utf-8")
        report["candidate_in_force"] = same
    meaning = {
        "unconfirmed": f"new rules are in force for {report.get('seconds_left')} s, or longer once confirmed",
        "absent": f"there is no table {TABLE}: this host has no firewall of Meentwerk's",
        "drifted": f"the table {TABLE} differs from what was confirmed; compare with {RULES}, apply again",
        "in force": f"the rules of {RULES} are in force",
    }
    print(json.dumps(report) if as_json else f"{state}: {meaning[state]}")
    return DONE if state == "in force" and same else DRIFT


def waiting_time(text: str) -> int:
    """Read seconds: long enough to log in, short enough to wait for after a lock-out.

    Raises:
        argparse.ArgumentTypeError: which argparse turns into its one-line error.
    """
    if not text.isdecimal() or not SHORTEST <= int(text) <= LONGEST:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds from {SHORTEST} to {LONGEST}")
    return int(text)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog=SELF.name, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check").add_argument("file", type=Path)
    applying = commands.add_parser("apply")
    applying.add_argument("file", type=Path)
    applying.add_argument("--seconds", type=waiting_time, default=60, metavar="5..3600")
    commands.add_parser("confirm")
    commands.add_parser("rollback").add_argument("--id", help=argparse.SUPPRESS)
    showing = commands.add_parser("status")
    showing.add_argument("--candidate", type=Path)
    showing.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Run one command and turn its problem into a line and an exit code."""
    asked = arguments()
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    os.environ["LC_ALL"] = "C.UTF-8"
    syslog.openlog(SELF.name)
    if os.geteuid() != 0:
        print(f"{SELF.name}: needs root: use sudo", file=sys.stderr)
        return BAD_INPUT
    try:
        if asked.command == "status":
            return status(asked.candidate, as_json=asked.json)
        if asked.command == "check":
            checked(asked.file)
        elif asked.command == "apply":
            apply(asked.file, asked.seconds)
        elif asked.command == "confirm":
            confirm()
        else:
            rollback(asked.id)
    except FirewallError as problem:
        print(f"{SELF.name}: {problem}", file=sys.stderr)
        return problem.code
    except OSError as error:
        print(f"{SELF.name}: {error}", file=sys.stderr)
        return UNEXPECTED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
