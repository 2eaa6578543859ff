"""A server and a proxy for all tests of a process that talk to one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import serving


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of an OpenAI-compatible server."""
    with serving.upstream() as address:
        yield address


@pytest.fixture(scope="session")
def running_proxy(server: str) -> Iterator[serving.Proxy]:
    with serving.proxied(server) as proxy:
        yield proxy


@pytest.fixture
def proxy(running_proxy: serving.Proxy) -> serving.Proxy:
    """A proxy in front of it that has seen nothing yet and makes no trouble."""
    running_proxy.reset()
    return running_proxy
