"""What no server should take, over a raw socket where a client library would not send it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowir.errors import ServingError
from flowir.serving.chat import RefusedError
from flowir.serving.endpoints import Endpoint
from flowir.serving.security import Policy, is_loopback, read_tokens
from flowir.serving.service import Limits
from tests.profiler.endpoint import Endpoint as Backend
from tests.profiler.endpoint import endpoint
from tests.serving_http import Running, compiled, raw, running

TOKEN = "a-token-of-enough-characters"
BODY = json.dumps({"model": "w", "messages": [{"role": "user", "content": "smuggled"}]}).encode()
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
)
INNER = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Backend]]:
    with endpoint() as backend:
        what = compiled(tmp_path_factory.mktemp("served"))
        limits = Limits(body=4096, body_s=1.0)
        policy = Policy.of((), "127.0.0.1")
        with running(what, [Endpoint("e", backend.url)], limits, policy) as found:
            yield found, backend


def statuses(answer: bytes) -> list[int]:
    """Of all responses in the bytes of a connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answer)]


ENDS = b"\r\n\r\n0\r\n\r\n"
SMUGGLED = {
    "length and coding": b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    + INNER,
    "coding and length": b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n"
    + INNER,
    "two lengths": b"content-length: 2\r\ncontent-length: 300\r\n\r\n{}" + INNER,
    "lengths in a list": b"content-length: 2, 300\r\n\r\n{}" + INNER,
    "a length with a sign": b"content-length: +2\r\n\r\n{}" + INNER,
    "a negative length": b"content-length: -2\r\n\r\n{}" + INNER,
    "a length in hexadecimal": b"content-length: 0x2\r\n\r\n{}" + INNER,
    "another coding": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + INNER,
    "two codings": b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER,
    "a hidden coding": b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + INNER,
    "space before the colon": b"content-length : 2\r\n\r\n{}" + INNER,
    "a folded header": b"x: a\r\n content-length: 2\r\n\r\n" + INNER,
    "a chunk without a size": b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + INNER,
    "a chunk of negative size": b"transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n" + INNER,
    "a bare carriage return": b"x: a\rcontent-length: 2\r\n\r\n" + INNER,
    "a null in a header": b"x: a\0b\r\ncontent-length: 2\r\n\r\n{}" + INNER,
}


@pytest.mark.parametrize("rest", SMUGGLED.values(), ids=SMUGGLED)
def test_no_request_hides_in_another(served: tuple[Running, Backend], rest: bytes) -> None:
    running_, backend = served
    answer = raw(running_.url, HEAD + rest)
    assert len(statuses(answer)) == 1
    assert 400 <= statuses(answer)[0] < 502
    assert not backend.bodies
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "request_",
    [b"hello\r\n\r\n", b"GET /health\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 64],
)
def test_what_is_not_http_is_refused(served: tuple[Running, Backend], request_: bytes) -> None:
    running_, _ = served
    answer = raw(running_.url, request_)
    assert statuses(answer) in ([400], [505], []), answer
    assert running_.ask().status_code == 200
    served[1].bodies.clear()


def test_a_head_without_end_is_refused(served: tuple[Running, Backend]) -> None:
    running_, _ = served
    answer = raw(running_.url, b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 10**6)
    assert statuses(answer) in ([400], [])


def test_a_body_that_is_too_long_is_refused_however_it_comes(
    served: tuple[Running, Backend],
) -> None:
    running_, backend = served
    long = b'{"model": "' + b"w" * 8192 + b'"}'
    told = raw(running_.url, HEAD + b"content-length: %d\r\n\r\n" % len(long) + long)
    claimed = raw(running_.url, HEAD + b"content-length: %d\r\n\r\n" % 10**15)
    chunk = b"%x\r\n" % len(long) + long + b"\r\n0\r\n\r\n"
    chunked = raw(running_.url, HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk)
    for answer in (told, claimed, chunked):
        assert statuses(answer) == [413]
    assert not backend.bodies


def test_a_body_that_never_comes_is_not_waited_for(served: tuple[Running, Backend]) -> None:
    running_, _ = served
    host, _, port = running_.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(HEAD + b"content-length: 100\r\n\r\n{")
        assert statuses(connection.recv(65536)) == [408]
    assert running_.service.active == 0


def test_a_head_that_never_ends_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowir.serving.server.HEAD_S", 0.3)
    with running(compiled(tmp_path), [Endpoint("e", "http://127.0.0.1:1/v1")]) as served:
        host, _, port = served.url.removeprefix("http://").partition(":")
        for begun in (b"", b"GET /health HTTP/1.1\r\nhost: loc"):
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(begun)
                assert connection.recv(100) == b""
        whole = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(whole)
            assert statuses(connection.recv(4096)) == [200]
            connection.sendall(whole[:30])  # The next one on the same connection.
            assert connection.recv(100) == b""


def test_headers_of_answers_are_the_server_s_own(served: tuple[Running, Backend]) -> None:
    running_, backend = served
    for given in ("a%0d%0aset-cookie: x", "é" * 3, "a" * 65, "a b"):
        answer = running_.ask(headers={"x-request-id": given.encode()})
        assert answer.headers["x-request-id"] != given
        assert "set-cookie" not in answer.headers
    assert running_.ask(headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    answer = running_.ask(**{"a\r\nset-cookie: x": 1, "temperature": 1})
    assert answer.headers["x-flowir-ignored"] == "temperature"
    answer = running_.ask(model="w\r\nset-cookie: x")
    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers
    backend.bodies.clear()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_page_in_a_browser_cannot_post_without_asking(
    served: tuple[Running, Backend], kind: str
) -> None:
    """Only with other types does a browser send to another site without a preflight request."""
    running_, backend = served
    url = f"{running_.url}/v1/chat/completions"
    answer = running_.client.post(url, content=BODY, headers={"content-type": kind})
    assert answer.status_code == 415
    assert not backend.bodies


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_name_that_resolves_to_loopback_is_not_the_server_s(
    served: tuple[Running, Backend], host: str
) -> None:
    running_, backend = served
    assert running_.ask(headers={"host": host}).status_code in (400, 421)
    assert not backend.bodies


def test_hosts_that_are_the_server_s() -> None:
    policy = Policy.of((), "127.0.0.1", ["Flowir.Example"])
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080", "flowir.example", "127.3.2.1:1"):
        policy.check("GET", "/health", {"host": host})
    with pytest.raises(RefusedError):
        policy.check("GET", "/health", {"host": "other.example"})
    assert Policy.of((), "0.0.0.0").hosts is None
    assert is_loopback("[::1]")
    assert not is_loopback("10.0.0.1")


def test_tokens_open_all_but_health(tmp_path: Path) -> None:
    other = TOKEN.replace("a", "b")
    policy = Policy.of([other, TOKEN], "127.0.0.1")
    with endpoint() as backend:
        place = Endpoint("e", backend.url)
        with running(compiled(tmp_path), [place], policy=policy) as served:
            for value in (
                "",
                TOKEN,
                f"Bearer {TOKEN[:-1]}",
                f"Bearer {TOKEN}x",
                "Bearer é",
            ):
                headers = {"authorization": value.encode("latin-1")} if value else {}
                refused = served.ask(headers=headers)
                assert refused.status_code == 401, value
                assert refused.headers["www-authenticate"] == "Bearer"
                assert (
                    served.client.get(f"{served.url}/metrics", headers=headers).status_code == 401
                )
            assert not backend.bodies
            for token in (TOKEN, other):
                answer = served.ask(headers={"authorization": f"bearer {token}"})
                assert answer.status_code == 200
            assert served.client.get(f"{served.url}/health").status_code == 200
            assert served.client.get(f"{served.url}/ready").status_code == 200
            sent = {json.dumps(body) for body in backend.bodies}
            assert not any(TOKEN in body for body in sent)


def test_tokens_come_from_the_environment_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# ours\n{TOKEN}\n\n{TOKEN}2\n")
    monkeypatch.setenv("FLOWIR_SERVE_TOKENS", f" {TOKEN}3,{TOKEN}4 ")
    assert read_tokens(path) == (f"{TOKEN}3", f"{TOKEN}4", TOKEN, f"{TOKEN}2")
    monkeypatch.setenv("FLOWIR_SERVE_TOKENS", "short")
    with pytest.raises(ServingError, match="shorter than 16") as error:
        read_tokens(None)
    assert "short," not in str(error.value)
    monkeypatch.delenv("FLOWIR_SERVE_TOKENS")
    assert read_tokens(None) == ()
    path.write_text("# none\n")
    with pytest.raises(ServingError, match="no token in it"):
        read_tokens(path)
    with pytest.raises(ServingError, match="cannot be read"):
        read_tokens(tmp_path / "missing")
