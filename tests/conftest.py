"""What several tests share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.openai_server import Proxy

# Two busy cores make any deadline a coin toss.
settings.register_profile(
    "flowir", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# The same examples every time; `make test-all` draws fresh ones.
settings.register_profile("repeatable", settings.get_profile("flowir"), derandomize=True)
settings.load_profile("flowir" if os.environ.get("FLOWIR_EXPLORE") else "repeatable")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m server` and `-m "not server"` choose by whether a test starts or talks to a server."""
    for item in items:
        if {"server", "proxy", "running_proxy"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")


def _without_torch(hook: str) -> Callable[[], Generator[None, object, object]]:
    """What fits a model is skipped where torch was left out, as `make test-pythons` does."""

    @pytest.hookimpl(wrapper=True, specname=hook)
    def wrapped() -> Generator[None, object, object]:
        try:
            return (yield)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            pytest.skip("fits a model, and torch is not installed")

    return wrapped


pytest_runtest_setup = _without_torch("pytest_runtest_setup")
pytest_runtest_call = _without_torch("pytest_runtest_call")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of measured data: `FLOWIR_DATA`, else `../shared/data` beside the checkout."""
    given = os.environ.get("FLOWIR_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no measured data at {folder}; set FLOWIR_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of an OpenAI-compatible server on loopback."""
    from tests.openai_server import upstream

    with upstream() as address:
        yield address


@pytest.fixture(scope="session")
def running_proxy(server: str) -> Iterator[Proxy]:
    from tests.openai_server import proxied

    with proxied(server) as proxy:
        yield proxy


@pytest.fixture
def proxy(running_proxy: Proxy) -> Proxy:
    """A proxy in front of the server that has seen nothing yet and makes no trouble."""
    ends = time.monotonic() + 10
    while running_proxy.open and time.monotonic() < ends:
        time.sleep(0.01)  # What a test before gave up may not have ended here yet.
    running_proxy.reset()
    return running_proxy
