"""Emitted files talk to a real server through the real client, in good and in bad times.

The asyncio file through the `openai` package, LangGraph files through LangChain's chat models. A
single layer repeats requests: neither the clients nor the nodes of a graph do so as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from flowir.backends.asyncio.emit import emit
from flowir.backends.langgraph.emit import emit as emit_graph
from flowir.profile.prices import Price, Prices
from flowir.runtime.interpreter import interpret
from flowir.runtime.llm import Completion, Usage
from tests import openai_server as serving
from tests.backends.running import load
from tests.budget import some
from tests.strategies_ir import entry, parse

TEXT = """
flow.agent @solve system "Be {{brief}}." prompt "Solve {item}"
  space <models = ["small", "large"]>
flow.agent @merge prompt "Merge:\\n{parts}"
  space <models = ["large"], params = {temperature = [0.5], top_k = [3]}>
flow.agent @mend prompt "Mend {value}\\nbecause {why}" space <models = ["small"]>
flow.tool @fits impl "tests.backends.test_server:fits" -> !flow.bool
flow.tool @judge impl "tests.backends.test_server:judge" -> !flow.bool
flow.workflow @w(%items: !flow.list<!flow.text>, %note: !flow.text) -> !flow.text {
  %solved = flow.map(%item) in %items : !flow.list<!flow.text> max 8 -> !flow.list<!flow.text> {
    %kept = flow.fallback until @fits(%item : !flow.text) max 3 -> !flow.text {
      %try = flow.call @solve(%item) : (!flow.text) -> !flow.text
      flow.yield %try : !flow.text
    }
    flow.yield %kept : !flow.text
  }
  %a = flow.call @solve(%note) as "a" : (!flow.text) -> !flow.text
  %b = flow.call @solve(%note) as "b" : (!flow.text) -> !flow.text
  %c = flow.call @mend(%note, %note) : (!flow.text, !flow.text) -> !flow.text
  %agreed = flow.join vote(%a, %b, %c) : (!flow.text, !flow.text, !flow.text) -> !flow.text
  %merged = flow.call @merge(%solved) : (!flow.list<!flow.text>) -> !flow.text
  %both = flow.join concat(%merged, %agreed) : (!flow.text, !flow.text) -> !flow.text
  %best = flow.refine(%value, %why) from %both : !flow.text max 2 until @judge {
    %mended = flow.call @mend(%value, %why) : (!flow.text, !flow.text) -> !flow.text
    flow.yield %mended : !flow.text
  }
  flow.return %best : !flow.text
}
"""
ITEMS = ["one {braces}", "two", "three\nlines", "four ü"]
INPUTS = {"items": ITEMS, "note": "note {0}"}
RETRIES = 3


def fits(item: str, value: str) -> bool:
    """Accepts what was made of half of the items."""
    return hashlib.sha256(item.encode()).digest()[0] % 2 == 0


def judge(value: str) -> tuple[bool, str]:
    """Accepts every other text."""
    number = hashlib.sha256(value.encode()).digest()[0]
    return number % 2 == 0, f"reason {number % 5}"


WRITERS: dict[str, Callable[..., str]] = {
    "asyncio": emit,
    "langgraph": emit_graph,
    "langgraph-apart": partial(emit_graph, fuse=False),
}


def _load(kind: str) -> ModuleType:
    """The emitted file; it waits little between repeats."""
    prices = Prices({"small": Price(1.0, 2.0), "large": Price(3.0, 4.0)})
    module = load(WRITERS[kind](parse(TEXT), prices=prices), f"emitted_server_{kind}")
    module.BACKOFF_S = 0.01
    return module


@pytest.fixture(
    scope="module",
    params=["asyncio", "langgraph", pytest.param("langgraph-apart", marks=pytest.mark.slow)],
)
def file(request: pytest.FixtureRequest) -> ModuleType:
    """A file of each kind."""
    return _load(request.param)


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    """The asyncio file, for what is the same in all or about its client."""
    return _load("asyncio")


@pytest.fixture(scope="module")
def expected() -> tuple[str, Counter[str]]:
    """The right answer, and how often each request is made, by the reference interpreter."""
    asked: Counter[str] = Counter()

    async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Completion:
        asked[serving.key(messages)] += 1
        return Completion(serving.echoed(messages), Usage(0, 0), None, model)

    module = parse(TEXT)
    tools = {"fits": fits, "judge": judge}
    result = asyncio.run(interpret(entry(module), INPUTS, llm, tools))
    return result.value, asked


class Watched:
    """A model client that knows how many of its calls are open, and were given up."""

    def __init__(self, llm: Any) -> None:
        self.llm = llm
        self.open = self.most = self.given_up = 0

    async def __call__(self, *args: Any, **params: Any) -> Any:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            return await self.llm(*args, **params)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.open -= 1


def _run(file: ModuleType, proxy: Any, *, stream: bool = False, **options: Any) -> Any:
    """A run that must end within a minute."""

    async def main() -> Any:
        graph = hasattr(file, "chat_model_llm")
        make = file.chat_model_llm if graph else file.openai_llm
        llm = make(proxy.address, "key", stream=stream)
        try:
            return await asyncio.wait_for(
                file.run(INPUTS, llm=options.pop("watched", Watched)(llm), **options), 60
            )
        finally:
            if not graph:
                await llm.client.close()

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
    small, large = (
        [b for b in proxy.bodies if b["model"] == model] for model in ("small", "large")
    )
    cost = sum(
        given * (len(m["content"]) // 4) / 1e6
        for bodies, given in ((small, 1.0), (large, 3.0))
        for b in bodies
        for m in b["messages"]
    ) + sum(
        taken * (len(serving.echoed(b["messages"])) // 4) / 1e6
        for bodies, taken in ((small, 2.0), (large, 4.0))
        for b in bodies
    )
    assert result.usage.cost_usd == pytest.approx(cost)


def test_parameters_and_streaming_options_reach_the_server(plain: ModuleType, proxy: Any) -> None:
    _run(plain, proxy, stream=True)
    assert all(b["stream_options"] == {"include_usage": True} for b in proxy.bodies)
    merges = [b for b in proxy.bodies if b["model"] == "large"]
    assert {(b["temperature"], b["top_k"]) for b in merges} == {(0.5, 3)}
    assert proxy.bodies[0]["messages"][0] == {"role": "system", "content": "Be {brief}."}


def test_the_first_piece_is_timed_in_streams(plain: ModuleType, proxy: Any) -> None:
    """The server sends a piece per word; the proxy waits before each."""
    proxy.reset(pause_s=0.05)

    async def main(stream: bool) -> Any:
        llm = plain.openai_llm(proxy.address, "key", stream=stream)
        start = time.monotonic()
        answer = await llm("site", [{"role": "user", "content": "a b c d e f g"}], model="m")
        await llm.client.close()
        return answer, time.monotonic() - start

    answer, seconds = asyncio.run(main(stream=True))
    assert 0.05 <= answer.ttft_s < seconds - 0.2
    assert asyncio.run(main(stream=False))[0].ttft_s is None


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
    proxy.reset(lambda key, before: fault)
    timeout = 0.3 if fault == "slow" else 20.0
    with pytest.raises(file.CallError, match=rf"failed, {RETRIES + 1}×") as caught:
        _run(file, proxy, stream=stream, call_timeout=timeout, retries=RETRIES)
    assert caught.value.__cause__ is not None
    _, asked = expected
    assert all(n <= asked[key] * (RETRIES + 1) for key, n in proxy.requests.items())
    assert max(proxy.requests.values()) >= RETRIES + 1


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "1"}, 1.0, 2.5),
        ({"retry-after-ms": "300", "retry-after": "30"}, 0.3, 1.5),
        ({"retry-after": "+2"}, 1.0, 3.5),  # A date has no fractions of a second.
    ],
)
def test_a_rate_limit_is_waited_for_as_asked(
    plain: ModuleType, proxy: Any, headers: dict[str, str], least: float, most: float
) -> None:
    proxy.reset(lambda key, before: None if before else "rate limit", headers)

    async def main() -> Any:
        llm = plain.openai_llm(proxy.address, "key")
        ctx = plain.Context(plain.POINTS[0], llm, {}, None, 1, asyncio.Semaphore(1))
        await plain.request(ctx, "site", plain.Config("m"), [{"role": "user", "content": "x"}])
        await llm.client.close()

    asyncio.run(main())
    ((first, second),) = proxy.times.values()
    assert least <= second - first <= most


def test_a_lasting_error_is_not_repeated(plain: ModuleType, server: str) -> None:
    """Such as an address that speaks something else."""

    async def main() -> Any:
        llm = plain.openai_llm(f"{server}/nowhere", "key")
        try:
            await plain.run(INPUTS, llm=llm)
        finally:
            await llm.client.close()

    with pytest.raises(plain.CallError, match="failed, 1×: Error code: 404"):
        asyncio.run(main())


def test_a_run_that_is_given_up_leaves_no_request_open(file: ModuleType, proxy: Any) -> None:
    proxy.reset(lambda key, before: "slow")
    with pytest.raises(file.RunTimeoutError):
        _run(file, proxy, timeout=0.5)
    ends = time.monotonic() + 10
    while proxy.open and time.monotonic() < ends:
        time.sleep(0.01)
    assert proxy.open == 0


def _sweep(
    file: ModuleType, proxy: Any, expected: tuple[str, Counter[str]], seed: int, share: float
) -> bool:
    """One run with random faults; whether it gave the answer. What must hold is checked."""
    kinds = [fault for fault in serving.FAULTS if fault != "slow" or seed % 4 == 0]
    proxy.reset(serving.random_faults(seed, share, kinds))
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
    if not watched[0].given_up:  # What was given up, on a busy machine too, may be open there.
        assert proxy.most <= cap
    return result is not None


def test_under_random_faults_every_run_ends_well_or_says_why(
    file: ModuleType, proxy: Any, expected: tuple[str, Counter[str]]
) -> None:
    """Of all requests, 30 % fail: enough runs get through four tries for each."""
    outcomes = [_sweep(file, proxy, expected, seed, 0.3) for seed in range(some(16))]
    assert sum(outcomes) >= len(outcomes) / 2


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_many_more_random_faults(
    plain: ModuleType, proxy: Any, expected: tuple[str, Counter[str]], share: float
) -> None:
    for seed in range(100, 200):
        _sweep(plain, proxy, expected, seed, share)
