"""What LangGraph's streams tell of emitted files that talk to a real server through chat models."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from types import ModuleType
from typing import Any

import pytest

from flowir.backends.langgraph.emit import emit
from tests import openai_server as serving
from tests.backends.running import load
from tests.strategies_ir import parse

TEXT = """
flow.agent @solve prompt "Solve {item}" space <models = ["small"]>
flow.agent @merge prompt "Merge {a} and {b}" space <models = ["large"]>
flow.workflow @w(%t: !flow.text) -> !flow.text {
  %a = flow.call @solve(%t) : (!flow.text) -> !flow.text
  %b = flow.call @solve(%a) : (!flow.text) -> !flow.text
  %c = flow.call @merge(%t, %t) : (!flow.text, !flow.text) -> !flow.text
  %d = flow.call @merge(%b, %c) : (!flow.text, !flow.text) -> !flow.text
  flow.return %d : !flow.text
}
"""
SITES = {"a": "small", "b": "small", "c": "large", "d": "large"}


@pytest.fixture(
    scope="module",
    params=[True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["fused", "apart"],
)
def file(request: pytest.FixtureRequest) -> ModuleType:
    module = load(emit(parse(TEXT), fuse=request.param), "emitted_streaming")
    module.BACKOFF_S = 0.01
    return module


def answers(task: str) -> dict[str, str]:
    """What each call answers, without any of the code that is tested."""

    def says(text: str) -> str:
        return serving.echoed([{"content": text}])

    a = says(f"Solve {task}")
    b = says(f"Solve {a}")
    c = says(f"Merge {task} and {task}")
    return {"a": a, "b": b, "c": c, "d": says(f"Merge {b} and {c}")}


def parts(file: ModuleType, proxy: Any, modes: list[str], **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        llm = file.chat_model_llm(proxy.address, "key")
        context = file.new_context(llm=llm, **options)
        stream = file.graph.astream({"t": "it"}, context=context, stream_mode=modes)
        return [part async for part in stream]

    return asyncio.run(main())


def test_every_token_is_told_with_the_site_of_its_call(file: ModuleType, proxy: Any) -> None:
    """Also where one node of the graph makes several calls, and though nobody asked to stream."""
    texts: dict[str, list[str]] = defaultdict(list)
    nodes: dict[str, set[str]] = defaultdict(set)
    told: dict[str, Any] = {}
    for mode, part in parts(file, proxy, ["messages", "custom"]):
        if mode == "messages":
            chunk, metadata = part
            texts[metadata["flowir.site"]].append(chunk.text)
            nodes[metadata["flowir.site"]].add(metadata["langgraph_node"])
        else:
            told[part["site"]] = part
    expected = answers("it")
    assert {site: "".join(pieces) for site, pieces in texts.items()} == expected
    assert all(sum(map(bool, pieces)) > 1 for pieces in texts.values())
    graph = file.graph.get_graph().nodes
    for site, (node,) in nodes.items():
        named = graph[node].metadata
        assert site in {named.get("flowir.site"), *named.get("flowir.sites", [])}
    # The server counts a token for every four characters.
    assert {site: t["output_tokens"] for site, t in told.items()} == {
        site: len(text) // 4 for site, text in expected.items()
    }
    assert {site: t["model"] for site, t in told.items()} == SITES
    assert all(told[site]["input_tokens"] > 0 for site in SITES)


def test_usage_of_a_streamed_run_is_that_of_a_whole_one(file: ModuleType, proxy: Any) -> None:
    async def main(stream: bool) -> Any:
        llm = file.chat_model_llm(proxy.address, "key", stream=stream)
        return await file.run({"t": "it"}, llm=llm)

    whole, streamed = (asyncio.run(main(stream)) for stream in (False, True))
    assert whole.value == streamed.value == answers("it")["d"]
    for site in SITES:
        first, second = whole.sites[site], streamed.sites[site]
        assert (first.calls, first.input_tokens, first.output_tokens) == (
            second.calls, second.input_tokens, second.output_tokens
        )  # fmt: skip


def test_updates_and_values_tell_what_nodes_wrote(file: ModuleType, proxy: Any) -> None:
    found = parts(file, proxy, ["updates", "values"])
    written: dict[str, Any] = {}
    for mode, part in found:
        if mode == "updates":
            for update in part.values():
                written |= update or {}
    states = [part for mode, part in found if mode == "values"]
    assert states[0] == {"t": "it"}
    assert states[-1] == {"t": "it"} | written
    assert written["result"] == answers("it")["d"]


@pytest.mark.parametrize("fault", ["cut", "early end", "no choices", "garbage", "hang up"])
def test_a_stream_that_breaks_is_repeated(file: ModuleType, proxy: Any, fault: Any) -> None:
    """LangChain takes the beginning of an answer for the whole, where somebody listens."""
    proxy.reset(lambda key, before: fault if before == 0 else None)
    asked: Counter[str] = Counter()
    result = None
    for mode, part in parts(file, proxy, ["messages", "values", "custom"]):
        if mode == "values":
            result = part.get("result", result)
        if mode == "custom":
            asked[part["site"]] += 1
    assert result == answers("it")["d"]
    assert asked == Counter(SITES.keys())
    assert set(proxy.requests.values()) == {2}
