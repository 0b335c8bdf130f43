"""Ask the application through its socket until a file appears; prints what was answered, and what was not.

Reads tokens from stdin, one a line. Every request needs database and cache: no cache in front, and limits are counted.
"""

import http.client
import itertools
import json
import socket
import sys
import threading
import time
from pathlib import Path

STOP = Path("/root/stop")
THREADS = 4
PAUSE = 0.3  # seconds; the playbook runs on the same machine


class Connection(http.client.HTTPConnection):
    """Speaks to the socket that nginx would."""

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect("/run/mastodon/web.sock")


def ask(token: str, number: int) -> str:
    """Ask once; returns what was wrong, or nothing."""
    headers = {"Host": "tides.example.org", "X-Forwarded-Proto": "https", "Authorization": f"Bearer {token}"}
    connection = Connection("localhost")
    try:
        if number % 3:
            connection.request("GET", "/api/v1/timelines/home", headers=headers)
        else:
            headers["Content-Type"] = "application/json"
            body = json.dumps({"status": f"post {number} {time.time()}"})
            connection.request("POST", "/api/v1/statuses", body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return "" if answer.status == http.client.OK else str(answer.status)


def main() -> None:
    """Ask in several threads at once."""
    tokens = sys.stdin.read().split()
    wrong: list[str] = []
    numbers = itertools.count()
    done = [0] * THREADS

    def work(thread: int) -> None:
        while not STOP.exists():
            number = next(numbers)
            if problem := ask(tokens[number % len(tokens)], number):
                wrong.append(problem)
            done[thread] += 1
            time.sleep(PAUSE)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"asked": sum(done), "failed": len(wrong), "wrong": sorted(set(wrong))}))


if __name__ == "__main__":
    main()
