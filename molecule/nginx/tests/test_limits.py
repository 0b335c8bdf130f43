"""Limits: a normal client never meets them, whoever is behind its address; a flood does, and it alone."""

import json

from testinfra.host import Host

# Asks as fast as it can over several kept connections; prints how many answers had which status, and the last refusal
FLOOD = """
import collections, http.client, json, socket, ssl, sys, threading
path, number, source, headers = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
until_refused = sys.argv[5] == "True"
address = socket.getaddrinfo("social.example.test", 443, type=socket.SOCK_STREAM,
    family=socket.AF_INET6 if ":" in source else socket.AF_INET)[0][4]
seen, refusal, lock = collections.Counter(), {}, threading.Lock()
class Connection(http.client.HTTPSConnection):
    def connect(self):
        plain = socket.create_connection(address[:2], 10, (source, 0) if source else None)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
def ask():
    connection = Connection("social.example.test", timeout=20)
    for _ in range(number // 20):
        if until_refused and refusal:
            return
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        with lock:
            seen[answer.status] += 1
            if answer.status == 429:
                refusal.update(body=body, headers={k.lower(): v for k, v in answer.getheaders()})
threads = [threading.Thread(target=ask) for _ in range(20)]
[each.start() for each in threads]
[each.join() for each in threads]
print(json.dumps({"seen": seen, "refusal": refusal}))
"""


def flood(
    host: Host, path: str, number: int, source: str = "", until_refused: bool = False, **headers: str
) -> tuple[dict[str, int], dict[str, object]]:
    """Return answers by status, and the last refusal."""
    words = (path, str(number), source, json.dumps(headers), str(until_refused))
    answer = json.loads(host.check_output("python3 -c %s %s %s %s %s %s", FLOOD, *words))
    return answer["seen"], answer["refusal"]


def rest(host: Host) -> None:
    """Give every address its whole allowance again: a restart forgets, a reload does not.

    systemd refuses the sixth start within ten seconds, which a fast machine reaches: the count is set back.
    """
    host.check_output("systemctl reset-failed nginx && systemctl restart nginx")


def test_what_mastodon_allows_at_once_passes(host: Host) -> None:
    rest(host)
    seen, _ = flood(host, "/api/v1/long", 300)
    assert seen == {"200": 300}


def test_an_anonymous_flood_is_refused_and_told_when_to_come_back(host: Host) -> None:
    rest(host)
    seen, refusal = flood(host, "/api/v1/long", 1000)
    assert seen["200"] >= 300
    assert seen["429"] > 0, seen
    assert "error" in json.loads(str(refusal["body"]))
    headers = refusal["headers"]
    assert isinstance(headers, dict)
    assert headers["retry-after"] == "5"
    assert headers["strict-transport-security"] == "max-age=63072000"
    assert headers["content-type"] == "application/json"


def test_a_page_is_refused_as_a_page(host: Host) -> None:
    _, refusal = flood(host, "/page", 1000)
    assert "<!DOCTYPE html>" in str(refusal["body"])


def test_files_and_sign_in_go_on_during_a_flood(host: Host) -> None:
    """Whoever floods still gets what costs nothing; whoever shows a session is not among the anonymous."""
    seen, _ = flood(host, "/robots.txt", 400)
    assert seen == {"200": 400}
    seen, _ = flood(host, "/about", 100, Cookie="_mastodon_session=x")
    assert seen == {"200": 100}


def test_the_other_family_is_another_client(host: Host) -> None:
    rest(host)
    seen, _ = flood(host, "/about", 1000, "10.87.26.11")
    assert seen["429"] > 0
    seen, _ = flood(host, "/about", 100, "fd87:6d65:656e::26:11")
    assert seen == {"200": 100}


def test_one_network_of_ipv6_is_one_client(host: Host) -> None:
    rest(host)
    first, neighbour = "fd87:6d65:656e::26:11", "fd87:6d65:656e::26:99"
    device = host.check_output(
        f"ip -6 -json address show to {first} | python3 -c %s",
        "import json, sys; print(json.load(sys.stdin)[0]['ifname'])",
    )
    host.check_output(f"ip -6 address add {neighbour}/128 dev {device} nodad")
    try:
        seen, _ = flood(host, "/about", 1000, first)
        assert seen["429"] > 0
        seen, _ = flood(host, "/about", 100, neighbour)
        assert seen.get("429", 0) > 20, "a neighbour in the same /64 would start anew"
    finally:
        host.check_output(f"ip -6 address del {neighbour}/128 dev {device}")


def test_an_office_behind_one_address_meets_no_limit(host: Host) -> None:
    """A thousand requests at once with tokens: 200 people who each open the web client."""
    rest(host)
    seen, _ = flood(host, "/about", 1000, Authorization="Bearer x")
    assert seen == {"200": 1000}


def test_another_server_that_delivers_meets_no_limit(host: Host) -> None:
    rest(host)
    seen, _ = flood(host, "/about", 600, Signature='keyId="https://other.example/actor#main-key"')
    assert seen == {"200": 600}


def test_a_flood_with_a_signature_is_refused_too(host: Host) -> None:
    rest(host)
    # From the cache, so that this host's two cores can ask faster than the limit
    seen, _ = flood(host, "/public?flood", 8000, until_refused=True, Signature="x")
    assert seen.get("429", 0) > 0, seen
    rest(host)
