"""What comes from outside may be hostile: every limit of the fetcher, each against a server that breaks it."""

import asyncio
import gzip
import http.server
import socket
import time
from typing import Any

import pytest
from meentwerk.identities import fetch
from meentwerk.identities.fetch import Answer, FetchError, Trouble

from .world import LOOPBACK, World

URL = "https://tides.example.test/"


def get(world: World, url: str = URL, **limits: Any) -> Answer:
    return asyncio.run(world.fetcher(**limits).get(url))


def refused(world: World, url: str = URL, **limits: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        get(world, url, **limits)
    return caught.value


def test_a_page_is_read(world: World) -> None:
    world.page(URL, "<p>hello", Content_Type="text/html; charset=ISO-8859-1")
    answer = get(world)
    assert (answer.status, answer.text, answer.truncated) == (200, "<p>hello", False)
    assert world.agents == {fetch.agent("https://example.org/robots")}
    assert "+https://example.org/robots" in fetch.agent("https://example.org/robots")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://tides.example.test/",
        "//tides.example.test/",
        "https://",
        "https:///path",
        "https://user:secret@tides.example.test/",
        "https://tides.example.test:8443/",
        "https://tides.example.test:port/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://tides_.example.test./..%2f@[",
        "https://tides.example.test/" + "x" * 3000,
    ],
)
def test_an_address_that_may_not_be_asked(world: World, url: str) -> None:
    error = refused(world, url)
    assert error.trouble is (Trouble.PORT if ":8443" in url else Trouble.REFUSED)
    assert "secret" not in str(error)
    assert world.asked == []


def test_plain_http_is_never_spoken(world: World) -> None:
    assert refused(world, "http://tides.example.test/").trouble is Trouble.DOWNGRADE
    world.page(URL, "", 301, Location="http://tides.example.test/plain")
    error = refused(world)
    assert error.trouble is Trouble.DOWNGRADE
    assert error.hops == (URL, "http://tides.example.test/plain")


@pytest.mark.parametrize(
    "private", ["10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:192.168.1.1", "64:ff9b::a00:1"]
)
@pytest.mark.parametrize("beside", [[], ["127.0.0.1"]])
def test_a_name_with_a_private_address_is_refused(world: World, private: str, beside: list[str]) -> None:
    world.addresses["tides.example.test"] = [[*beside, private]]
    error = refused(world)
    assert error.trouble is Trouble.REFUSED
    assert private in str(error)
    assert world.asked == []


def test_a_redirect_to_a_private_address_is_refused(world: World) -> None:
    world.page(URL, "", 302, Location="https://lakes.example.test/admin")
    world.addresses["lakes.example.test"] = [["192.168.0.1"]]
    error = refused(world)
    assert error.trouble is Trouble.REFUSED
    assert error.hops == (URL, "https://lakes.example.test/admin")


def test_rebinding_changes_nothing_for_a_connection_and_is_seen_at_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is asked once for each connection, and that very answer is connected to."""
    connected: list[str] = []
    real = asyncio.open_connection

    async def watched(host: str, *arguments: Any, **options: Any) -> Any:
        connected.append(host)
        return await real(host, *arguments, **options)

    monkeypatch.setattr(asyncio, "open_connection", watched)
    world.addresses["tides.example.test"] = [["127.0.0.1"], ["10.0.0.1"]]
    world.page(URL, "", 302, Location="/again")
    error = refused(world)
    assert error.trouble is Trouble.REFUSED
    assert connected == ["127.0.0.1"]


def test_without_permission_the_loopback_is_private(world: World) -> None:
    fetcher = world.fetcher()
    fetcher.allowed = ()
    with pytest.raises(FetchError, match="not public"):
        asyncio.run(fetcher.get(URL))
    assert LOOPBACK
    assert world.asked == []


def test_three_redirects_and_no_more(world: World) -> None:
    for number in range(4):
        world.page(f"https://tides.example.test/{number}", "", 302, Location=f"/{number + 1}")
    world.page("https://tides.example.test/4", "end")
    assert refused(world, "https://tides.example.test/0").trouble is Trouble.REDIRECTS
    answer = get(world, "https://tides.example.test/1")
    assert [hop.status for hop in answer.hops] == [302, 302, 302]
    assert answer.url == "https://tides.example.test/4"


def test_a_huge_page_is_cut_at_the_limit(world: World) -> None:
    sent = 0

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        try:
            while sent < 50_000_000:
                sent += handler.wfile.write(b"x" * 65536)
        except OSError:
            return

    world.pages["tides.example.test", "/"] = endless
    answer = get(world)
    assert answer.truncated
    assert len(answer.body) == 1024 * 1024
    time.sleep(0.1)
    assert sent < 10_000_000, "it went on reading"


def test_a_small_file_that_inflates_is_cut_at_the_limit(world: World) -> None:
    world.page(URL, gzip.compress(b"\0" * 200_000_000), Content_Encoding="gzip")
    answer = get(world)
    assert answer.truncated
    assert len(answer.body) == 1024 * 1024


def test_what_only_calls_itself_compressed(world: World) -> None:
    world.page(URL, b"plain", Content_Encoding="gzip")
    assert refused(world).trouble is Trouble.PROTOCOL


def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, so that no single wait is long."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(200):
            handler.wfile.write(b"X-A: b\r\n")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        return
    finally:
        handler.close_connection = True


def test_a_slow_page_ends_at_the_deadline(world: World) -> None:
    world.pages["tides.example.test", "/"] = drip
    begin = time.monotonic()
    assert refused(world, seconds=0.5).trouble is Trouble.TIMEOUT
    assert time.monotonic() - begin < 3


def test_a_page_that_is_silent_for_too_long(world: World) -> None:
    def silent(handler: http.server.BaseHTTPRequestHandler) -> None:
        time.sleep(1.5)
        handler.close_connection = True

    world.pages["tides.example.test", "/"] = silent
    error = refused(world, silent_seconds=0.3)
    assert error.trouble is Trouble.TIMEOUT
    assert "was silent for 0.3 s" in str(error)


def test_endless_headers_are_no_answer(world: World) -> None:
    def headers(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 70_000)
        handler.close_connection = True

    world.pages["tides.example.test", "/"] = headers
    assert refused(world).trouble is Trouble.PROTOCOL


def test_what_is_no_http(world: World) -> None:
    def other(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        handler.close_connection = True

    world.pages["tides.example.test", "/"] = other
    assert refused(world).trouble is Trouble.PROTOCOL


def test_a_certificate_for_another_name(world: World) -> None:
    error = refused(world, "https://stranger.example.test/")
    assert error.trouble is Trouble.TLS
    assert "stranger.example.test" in str(error)


def test_an_authority_that_nobody_knows(world: World) -> None:
    fetcher = fetch.Fetcher("https://example.org", LOOPBACK, resolver=world.resolve, port=world.port)
    with pytest.raises(FetchError, match="does not hold"):
        asyncio.run(fetcher.get(URL))


def test_nobody_listens(world: World) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        fetcher = world.fetcher()
        fetcher.port = free.getsockname()[1]
        with pytest.raises(FetchError) as caught:
            asyncio.run(fetcher.get(URL))
    assert caught.value.trouble is Trouble.UNREACHABLE


def test_a_name_that_does_not_exist(world: World) -> None:
    def nothing(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    fetcher = world.fetcher()
    fetcher.resolver = nothing
    with pytest.raises(FetchError) as caught:
        asyncio.run(fetcher.get(URL))
    assert caught.value.trouble is Trouble.NO_NAME


def test_a_silent_name_server_does_not_hold_the_run(world: World) -> None:
    def silent(_host: str, _port: int) -> list[str]:
        time.sleep(1.5)
        return []

    fetcher = world.fetcher(seconds=0.3)
    fetcher.resolver = silent
    begin = time.monotonic()
    with pytest.raises(FetchError):
        asyncio.run(fetcher.get(URL))
    assert time.monotonic() - begin < 1.2


def test_a_busy_server_is_asked_again_when_it_says(world: World) -> None:
    answers = [503, 200]

    def busy(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(answers.pop(0))
        handler.send_header("Retry-After", "1")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    world.pages["tides.example.test", "/"] = busy
    begin = time.monotonic()
    assert get(world).status == 200
    assert time.monotonic() - begin >= 1
    world.page(URL, "", 503, Retry_After="86400")
    assert get(world).status == 503


def test_a_host_is_asked_by_few_at_once(world: World) -> None:
    inside, most = 0, 0

    def counted(handler: http.server.BaseHTTPRequestHandler) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.05)
        inside -= 1
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    world.pages["tides.example.test", "/"] = counted

    async def many() -> None:
        fetcher = world.fetcher(per_host=2)
        await asyncio.gather(*(fetcher.get(URL) for _ in range(12)))

    asyncio.run(many())
    assert most == 2
