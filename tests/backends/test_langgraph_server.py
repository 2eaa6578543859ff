"""Emitted LangGraph files talk to a real server through LangChain's client, whatever goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

from flowir.backends.langgraph.emit import emit
from flowir.profile.prices import Price, Prices
from tests import serving
from tests.backends.running import load
from tests.backends.test_server import INPUTS, RETRIES, TEXT, Watched
from tests.backends.test_server import expected as expected
from tests.strategies_ir import parse


@pytest.fixture(scope="module", params=[True, False], ids=["fused", "apart"])
def file(request: pytest.FixtureRequest) -> ModuleType:
    """The emitted file; it waits little between repeats."""
    prices = Prices({"small": Price(1.0, 2.0), "large": Price(3.0, 4.0)})
    module = load(emit(parse(TEXT), prices=prices, fuse=request.param), "emitted_graph_server")
    module.BACKOFF_S = 0.01
    return module


def _run(file: ModuleType, proxy: Any, *, stream: bool = False, **options: Any) -> Any:
    """A run that must end within a minute."""

    async def main() -> Any:
        llm = file.chat_model_llm(proxy.address, "key", stream=stream)
        watched = options.pop("watched", Watched)(llm)
        return await asyncio.wait_for(file.run(INPUTS, llm=watched, **options), 60)

    return asyncio.run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_the_right_answer_with_every_token_counted(
    file: ModuleType, proxy: Any, expected: tuple[str, Counter[str]], stream: bool
) -> None:
    result = _run(file, proxy, stream=stream, retries=0)
    value, asked = expected
    assert result.value == value
    assert proxy.requests == asked
    assert result.usage.calls == asked.total() == sum(s.calls for s in result.sites.values())
    # The server counts a token for every four characters of a message.
    told = sum(sum(len(m["content"]) // 4 for m in b["messages"]) for b in proxy.bodies)
    written = sum(len(serving.echoed(b["messages"])) // 4 for b in proxy.bodies)
    assert (result.usage.input_tokens, result.usage.output_tokens) == (told, written)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", serving.FAULTS)
def test_a_fault_that_passes_is_repeated_once(
    file: ModuleType, proxy: Any, expected: tuple[str, Counter[str]], fault: Any, stream: bool
) -> None:
    """The first request of each kind fails; the answer is right all the same."""
    proxy.reset(lambda key, before: fault if before == 0 else None)
    timeout = 1.0 if fault == "slow" else 20.0
    result = _run(file, proxy, stream=stream, call_timeout=timeout, max_concurrency=4)
    value, asked = expected
    assert result.value == value
    assert proxy.done[fault] == len(asked)
    if fault != "slow":  # There, a busy machine may add a timeout of its own.
        assert proxy.requests == Counter({key: asked[key] + 1 for key in asked})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", serving.FAULTS)
def test_a_fault_that_stays_is_a_typed_error_after_so_many_repeats(
    file: ModuleType, proxy: Any, expected: tuple[str, Counter[str]], fault: Any, stream: bool
) -> None:
    """One layer repeats: neither LangGraph's nodes nor LangChain's client do so as well."""
    proxy.reset(lambda key, before: fault)
    timeout = 0.3 if fault == "slow" else 20.0
    with pytest.raises(file.CallError, match=rf"failed, {RETRIES + 1}×") as caught:
        _run(file, proxy, stream=stream, call_timeout=timeout, retries=RETRIES)
    assert caught.value.__cause__ is not None
    _, asked = expected
    assert all(n <= asked[key] * (RETRIES + 1) for key, n in proxy.requests.items())
    assert max(proxy.requests.values()) >= RETRIES + 1


def test_a_run_that_is_given_up_leaves_no_request_open(file: ModuleType, proxy: Any) -> None:
    proxy.reset(lambda key, before: "slow")
    with pytest.raises(file.RunTimeoutError):
        _run(file, proxy, timeout=0.5)
    ends = time.monotonic() + 10
    while proxy.open and time.monotonic() < ends:
        time.sleep(0.01)
    assert proxy.open == 0


def test_under_random_faults_every_run_ends_well_or_says_why(
    file: ModuleType, proxy: Any, expected: tuple[str, Counter[str]]
) -> None:
    """Of all requests, 30 % fail: enough runs get through four tries for each."""
    outcomes = [_sweep(file, proxy, expected, seed) for seed in range(12)]
    assert sum(outcomes) >= len(outcomes) / 2


def _sweep(file: ModuleType, proxy: Any, expected: tuple[str, Counter[str]], seed: int) -> bool:
    """One run with random faults; whether it gave the answer. What must hold is checked."""
    kinds = [fault for fault in serving.FAULTS if fault != "slow" or seed % 4 == 0]
    proxy.reset(serving.random_faults(seed, 0.3, kinds))
    value, asked = expected
    cap = 1 + seed % 5
    watched: list[Watched] = []

    def watch(llm: Any) -> Watched:
        watched.append(Watched(llm))
        return watched[-1]

    options = {"call_timeout": 1.0, "retries": RETRIES, "max_concurrency": cap, "watched": watch}
    try:
        result = _run(file, proxy, stream=bool(seed % 2), **options)
    except file.CallError:
        result = None
    assert result is None or result.value == value
    assert all(n <= asked[key] * (RETRIES + 1) for key, n in proxy.requests.items())
    assert watched[0].open == 0
    assert watched[0].most <= cap
    if not proxy.done["slow"]:  # Who was given up on may still be open at the proxy.
        assert proxy.most <= cap
    return result is not None
