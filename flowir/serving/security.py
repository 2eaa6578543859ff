"""Who may ask: bearer tokens, and what a request must look like before anything of it is read."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from flowir.errors import ServingError
from flowir.serving.chat import RefusedError

TOKENS = "FLOWIR_SERVE_TOKENS"
SHORTEST_TOKEN = 16
OPEN_PATHS = ("/health", "/ready")
"""Asked by what runs the server; they say nothing about anybody."""

LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


def read_tokens(path: str | Path | None) -> tuple[str, ...]:
    """The tokens of the environment (spaces or commas between) and of a file (one a line).

    Raises:
        ServingError: the file cannot be read or holds none, or a token is too short.
    """
    found = re.split(r"[\s,]+", os.environ.get(TOKENS, "").strip())
    if path is not None:
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ServingError(f"--token-file {path}: cannot be read ({error})") from None
        own = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not own:
            raise ServingError(f"--token-file {path}: no token in it; write one a line")
        found += own
    tokens = tuple(dict.fromkeys(token for token in found if token))
    if any(len(token) < SHORTEST_TOKEN or not token.isascii() for token in tokens):
        raise ServingError(
            f"a bearer token is shorter than {SHORTEST_TOKEN} characters, or not ASCII; make one "
            "with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return tokens


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach an address."""
    return LOOPBACK.fullmatch(host.strip("[]").lower()) is not None


@dataclass(frozen=True)
class Policy:
    """What a request has to bring.

    Attributes:
        digests: SHA-256 of the tokens, any of which will do; empty for none.
        hosts: names by which the server may be called where there are no tokens; None for any.
            A page in a browser can reach a loopback server by a name of its own (DNS rebinding).
    """

    digests: tuple[bytes, ...] = ()
    hosts: frozenset[str] | None = None

    @staticmethod
    def of(tokens: Iterable[str], host: str, others: Iterable[str] = ()) -> Policy:
        """For a server that is bound to a host."""
        digests = tuple(hashlib.sha256(token.encode()).digest() for token in tokens)
        local = is_loopback(host) and not digests
        return Policy(digests, frozenset(one.lower() for one in others) if local else None)

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Refuse what may not go on.

        Raises:
            RefusedError: why.
        """
        # One of the two is meant for whoever stands before this server (RFC 9112, 6.3).
        if "transfer-encoding" in headers and "content-length" in headers:
            raise RefusedError(400, "invalid_request", "both a length and a transfer coding")
        if method == "POST" and not {"transfer-encoding", "content-length"} & set(headers):
            raise RefusedError(411, "length_required", "a body needs a length")
        if self.hosts is not None and not self._called_right(headers.get("host", "")):
            raise RefusedError(421, "wrong_host", "this server is not called so; see --allow-host")
        if self.digests and path not in OPEN_PATHS:
            self._check_token(headers.get("authorization", ""))
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method == "POST" and kind != "application/json":
            raise RefusedError(
                415, "unsupported_media_type", "the content type must be application/json"
            )

    def _called_right(self, host: str) -> bool:
        name = re.sub(r":\d*$", "", host.lower())
        return is_loopback(name) or (self.hosts is not None and name in self.hosts)

    def _check_token(self, given: str) -> None:
        scheme, _, token = given.partition(" ")
        digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        right = False
        for known in self.digests:  # All of them, so that time tells nothing.
            right |= hmac.compare_digest(digest, known)
        if scheme.lower() != "bearer" or not right:
            raise RefusedError(401, "invalid_api_key", "no valid bearer token was given")


@dataclass(frozen=True)
class Guard:
    """Checks each request before the application sees it."""

    app: ASGIApp
    policy: Policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                if scope["http_version"] not in ("1.0", "1.1"):
                    raise RefusedError(505, "http_version", "HTTP/1.1 is spoken here")
                headers = Headers(scope=scope)
                for name in ("authorization", "host", "content-type", "content-length"):
                    if len(headers.getlist(name)) > 1:
                        raise RefusedError(400, "invalid_request", f"two headers {name}")
                self.policy.check(scope["method"], scope["path"], headers)
            except RefusedError as refused:
                from flowir.serving.application import refusal

                response = refusal(refused)
                response.headers["connection"] = "close"  # What follows may not be a request.
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)
