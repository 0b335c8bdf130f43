"""What a server or a network can do to a command, and how each ends."""

import datetime
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from meentwerk.api import Client, Server
from meentwerk.api.errors import ApiError
from meentwerk.api.waiting import Patience
from meentwerk.errors import MeentwerkError
from meentwerk.exits import Exit

from .fake_server import Answer, FakeServer, serve

TOKEN = "-".join(["made", "up", "here"])
NOW = 1_800_000_000.0


class FakeClock:
    """Time that passes at once."""

    def __init__(self) -> None:
        self.time, self.waits, self.told = NOW, [], []  # type: float, list[float], list[str]

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, why: str) -> None:
        self.time += seconds
        self.waits.append(seconds)
        self.told.append(why)


def client(server: FakeServer, clock: FakeClock | None = None, patience: float = 600) -> Client:
    return Client(Server.parse(server.url), TOKEN, clock=clock or FakeClock(), patience=Patience(patience))


def iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(NOW + seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


LIMITS = {
    "iso": ({"X-RateLimit-Reset": iso(90)}, 90),
    "epoch": ({"X-RateLimit-Reset": str(int(NOW + 90))}, 90),
    "epoch in milliseconds": ({"X-RateLimit-Reset": str(int((NOW + 90) * 1000))}, 90),
    "seconds from now": ({"X-RateLimit-Reset": "90"}, 90),
    "retry-after": ({"Retry-After": "90"}, 90),
    "retry-after as a date": ({"Retry-After": "Fri, 15 Jan 2027 08:01:30 GMT"}, 90),
    "the server's clock is an hour ahead": (
        {"X-RateLimit-Reset": iso(3690), "Date": "Fri, 15 Jan 2027 09:00:00 GMT"},
        90,
    ),
    "past": ({"X-RateLimit-Reset": iso(-90)}, 5),
    "none": ({}, 5),
    "no time at all": ({"X-RateLimit-Reset": "soon"}, 5),
    "not a number": ({"X-RateLimit-Reset": "nan"}, 5),
}


@pytest.mark.parametrize(("headers", "seconds"), LIMITS.values(), ids=LIMITS)
def test_a_rate_limit_in_every_form_is_waited_for(headers: dict[str, str], seconds: float) -> None:
    clock = FakeClock()
    with serve(Answer(429, b'{"error":"Too many requests"}', headers), Answer(body=b'{"id":"1"}')) as server:
        assert client(server, clock).get("/api/v1/x") == {"id": "1"}
    assert clock.waits == [pytest.approx(seconds, abs=1)]


def test_a_post_is_sent_again_after_429_since_it_was_not_taken() -> None:
    with serve(Answer(429), Answer(body=b'{"id":"1"}')) as server:
        assert client(server).post("/api/v1/x", {"a": 1}) == {"id": "1"}
    assert [asked.body for asked in server.asked] == [b'{"a": 1}'] * 2


@pytest.mark.parametrize("headers", [{}, {"X-RateLimit-Reset": iso(1)}, {"X-RateLimit-Reset": iso(99_999)}])
def test_a_rate_limit_for_ever_ends(headers: dict[str, str]) -> None:
    clock = FakeClock()
    with serve(Answer(429, b"<html>", headers, "text/html")) as server, pytest.raises(MeentwerkError) as caught:
        client(server, clock, patience=100).get("/api/v1/x")
    assert caught.value.exit == Exit.GAVE_UP
    assert sum(clock.waits) <= 100
    assert "rate limit" in caught.value.message


# what the server does -> exit code, what the message says, requests that were sent (GET)
FAULTS: dict[str, tuple[Answer, Exit, str, int]] = {
    "401": (Answer(401, b'{"error":"The access token is invalid"}'), Exit.NOT_ALLOWED, "access token is invalid", 1),
    "403 scope": (
        Answer(403, b'{"error":"This action is outside the authorized scopes"}'),
        Exit.NOT_ALLOWED,
        "scope",
        1,
    ),
    "403 role": (Answer(403, b'{"error":"This action is not allowed"}'), Exit.NOT_ALLOWED, "not allowed", 1),
    "403 page": (Answer(403, b"<h1>no</h1>", {}, "text/html"), Exit.NOT_ALLOWED, "answered 403", 1),
    "404": (Answer(404, b'{"error":"Record not found"}'), Exit.UNEXPECTED, "Record not found", 1),
    "422": (Answer(422, b'{"error":"Validation failed"}'), Exit.UNEXPECTED, "Validation failed", 1),
    "500": (Answer(500, b'{"error":"oops"}'), Exit.UNEXPECTED, "answered 500: oops", 4),
    "503 page": (Answer(503, b"<html>", {}, "text/html"), Exit.UNEXPECTED, "answered 503", 4),
    "a page": (
        Answer(200, b"<!doctype html>", {}, "text/html; charset=utf-8"),
        Exit.UNEXPECTED,
        "text/html instead",
        1,
    ),
    "half of the JSON": (Answer(200, b'{"id": '), Exit.UNEXPECTED, "instead of JSON", 1),
    "deep JSON": (Answer(200, b"[" * 200_000), Exit.UNEXPECTED, "instead of JSON", 1),
    "cut in the answer": (Answer(200, b'{"id": "1"}', cut=True), Exit.UNEXPECTED, "in the middle", 4),
    "cut before the answer": (Answer(mute=True), Exit.UNEXPECTED, "before the answer", 4),
    "redirected": (Answer(302, b"", {"Location": "https://other.example/x?y"}), Exit.USAGE, "https://other.example", 1),
}


@pytest.mark.parametrize(("answer", "code", "said", "sent"), FAULTS.values(), ids=FAULTS)
def test_a_fault_ends_with_its_code_and_message(answer: Answer, code: Exit, said: str, sent: int) -> None:
    with serve(answer) as server, pytest.raises(MeentwerkError) as caught:
        client(server).get("/api/v1/x?token=abc")
    assert caught.value.exit == code
    assert said in caught.value.message
    assert len(server.asked) == sent
    assert caught.value.cure
    assert TOKEN not in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("name", ["500", "cut in the answer", "cut before the answer"])
def test_a_post_that_may_have_arrived_is_not_sent_again(name: str) -> None:
    with serve(FAULTS[name][0]) as server, pytest.raises(ApiError):
        client(server).post("/api/v1/x", {"a": 1})
    assert len(server.asked) == 1


def test_a_fault_that_passes_is_overcome() -> None:
    clock = FakeClock()
    with serve(Answer(502, b"<html>"), Answer(mute=True), Answer(body=b"[1]")) as server:
        assert client(server, clock).get("/api/v1/x") == [1]
    assert clock.waits == [1, 2]


def test_nobody_listens() -> None:
    with serve(Answer()) as server:
        gone = client(server)
    with pytest.raises(ApiError, match="does not accept connections"):
        gone.post("/x")


def test_a_name_that_is_not_known() -> None:
    with pytest.raises(ApiError, match=r"the name nowhere\.invalid is not known"):
        Client(Server.parse("nowhere.invalid"), clock=FakeClock()).get("/x")


def test_pages_are_followed_by_their_links() -> None:
    with serve(Answer(body=b"[1,2]"), Answer(body=b"[3]")) as server:
        server.answers[0].headers["Link"] = f'<{server.url}/api/v1/x?max_id=2>; rel="next", <{server.url}/>; rel="prev"'
        assert list(client(server).pages("/api/v1/x", {"a": "b"}, limit=2)) == [1, 2, 3]
    assert [asked.path for asked in server.asked] == ["/api/v1/x?a=b&limit=2", "/api/v1/x?max_id=2"]


def test_a_page_that_leads_to_itself_ends() -> None:
    with serve(Answer(body=b"[1]")) as server:
        server.answers[0].headers["Link"] = f'<{server.url}/again>; rel="next"'
        assert list(client(server).pages("/api/v1/x")) == [1, 1]


def test_the_token_goes_to_no_other_server() -> None:
    away = Answer(body=b"[1]", headers={"Link": '<https://evil.example/x>; rel="next"'})
    with serve(away) as server, pytest.raises(ApiError, match="another server"):
        list(client(server).pages("/api/v1/x"))
    with serve(Answer()) as server:
        client(server).get("/api/v1/x")
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_no_netrc_replaces_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with serve(Answer()) as server:
        client(server).get("/api/v1/x")
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


def make_certificate(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_certificate_that_does_not_verify_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    own = make_certificate(tmp_path, "tides.example")
    with serve(Answer(), certificate=own) as server, pytest.raises(MeentwerkError) as caught:
        client(server).post("/api/v1/x", {"a": 1})
    assert caught.value.exit == Exit.REFUSED
    assert server.asked == []


def test_a_certificate_counts_for_its_name_at_any_address(tmp_path: Path) -> None:
    file = make_certificate(tmp_path, "tides.example")
    with serve(Answer(body=b'{"id":"1"}'), certificate=file) as server:
        port = server.url.rpartition(":")[2]
        right = Server.parse(f"https://tides.example:{port}", file, "127.0.0.1")
        assert Client(right, TOKEN).get("/x") == {"id": "1"}
        assert server.asked[0].headers["Host"] == f"tides.example:{port}"
        wrong = Server.parse(f"https://other.example:{port}", file, "127.0.0.1")
        with pytest.raises(MeentwerkError) as caught:
            Client(wrong, TOKEN).get("/x")
    assert caught.value.exit == Exit.REFUSED


def test_422_keeps_its_details() -> None:
    body = {"error": "Validation failed", "details": {"email": [{"error": "ERR_TAKEN", "description": "taken"}]}}
    with serve(Answer(422, json.dumps(body).encode())) as server, pytest.raises(ApiError) as caught:
        client(server).post("/x")
    assert caught.value.details["email"][0]["error"] == "ERR_TAKEN"  # type: ignore[attr-defined]
