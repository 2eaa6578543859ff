"""Running an emitted LangGraph file: LangGraph's own tools on it, limits, and the chat models."""

from __future__ import annotations

import asyncio
import gc
import warnings
from types import ModuleType
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from flowir.backends.asyncio.emit import emit as emit_asyncio
from flowir.backends.langgraph.emit import emit
from flowir.sim import clock
from tests.backends.running import load
from tests.backends.test_asyncio_running import Http, Model
from tests.strategies_ir import parse

TEXT = """
flow.agent @solve prompt "{i}" space <models = ["small"]>
flow.agent @fix prompt "{v} {f}" space <models = ["small"]>
flow.tool @check impl "tests.backends.running:checked" -> !flow.bool
flow.workflow @w(%items: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %out = flow.map(%i) in %items : !flow.list<!flow.text> max 9 -> !flow.list<!flow.text> {
    %try = flow.call @solve(%i) : (!flow.text) -> !flow.text
    %kept = flow.refine(%v, %f) from %try : !flow.text max 2 until @check(%i : !flow.text) {
      %better = flow.call @fix(%v, %f) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %better : !flow.text
    }
    flow.yield %kept : !flow.text
  }
  flow.return %out : !flow.list<!flow.text>
}
"""


@pytest.fixture(scope="module")
def file() -> ModuleType:
    return load(emit(parse(TEXT)), "emitted_langgraph")


async def _no(*values: Any) -> bool:
    return False


def _run(file: ModuleType, llm: Any, *items: str, **options: Any) -> Any:
    return clock.run(file.run({"items": list(items)}, llm=llm, tools={"check": _no}, **options))


def test_every_round_of_a_loop_runs_and_no_more(file: ModuleType) -> None:
    result = _run(file, Model(), "a", "b")
    assert result.usage.calls == 2 * 3
    assert _run(file, Model()).value == []


def test_one_layer_repeats_requests(file: ModuleType) -> None:
    model = Model(*[Http(503)] * 9)
    with pytest.raises(file.CallError, match="3×"):
        _run(file, model, "a", retries=2)
    assert len(model.starts) == 3


@pytest.mark.parametrize("fuse", [True, False])
def test_the_error_of_a_failed_run_tells_what_the_run_had_used(fuse: bool) -> None:
    """What the asyncio file tells, whatever ended the run; and nothing is left to complain of."""
    module = parse(TEXT)
    told = []
    for text in (emit(module, fuse=fuse), emit_asyncio(module)):
        file = load(text, "emitted_failing")
        for model, options in (
            (Model(1.0, 1.0, 1.0, Http(401), 5.0, 5.0), {}),
            (Model(1.0, 1.0, 1.0, 9.0, 5.0, 5.0), {"timeout": 3}),
            (Model(1.0, 1.0, 1.0, Http(401)), {"max_concurrency": 1}),
        ):
            with warnings.catch_warnings(record=True) as complaints:
                warnings.simplefilter("always")
                with pytest.raises(file.WorkflowError) as caught:
                    _run(file, model, "a", "b", "c", **options)
                failed = caught.value
                told.append((type(failed).__name__, str(failed), vars(failed.usage)))
                assert failed.usage.calls == 3
                assert sum(used.calls for used in failed.sites.values()) == 3
                del failed, caught
                gc.collect()
            assert not complaints
    assert told[: len(told) // 2] == told[len(told) // 2 :]


NESTED = """
flow.agent @two prompt "{i} {j}" space <models = ["small"]>
flow.workflow @w(%i: !flow.list<!flow.text>) -> !flow.list<!flow.list<!flow.text>> {
  %m = flow.map(%x) in %i : !flow.list<!flow.text> max 3 -> !flow.list<!flow.list<!flow.text>> {
    %n = flow.map(%y) in %i : !flow.list<!flow.text> max 3 -> !flow.list<!flow.text> {
      %a = flow.call @two(%x, %y) : (!flow.text, !flow.text) -> !flow.text
      %b = flow.call @two(%a, %y) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %b : !flow.text
    }
    flow.yield %n : !flow.list<!flow.text>
  }
  flow.return %m : !flow.list<!flow.list<!flow.text>>
}
"""


@pytest.mark.parametrize("fuse", [True, False])
def test_a_failure_ends_what_runs_in_graphs_inside_as_well(fuse: bool) -> None:
    """LangGraph by itself leaves the tasks of a graph in a graph running."""
    file = load(emit(parse(NESTED), fuse=fuse), "emitted_nested")
    model = Model(1.0, 1.1, 1.2, Http(401), 2.0, 2.0, 2.0, 2.0, 2.0)

    async def main() -> tuple[int, int]:
        with pytest.raises(file.CallError):
            await file.run({"i": ["x", "y", "z"]}, llm=model)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        begun = len(model.starts)
        await asyncio.sleep(10)
        return begun, len(model.starts)

    begun, after = clock.run(main())
    assert begun == after == 9
    assert model.open == 0


def test_requests_keep_to_the_cap(file: ModuleType) -> None:
    model = Model()
    _run(file, model, *"abcde", max_concurrency=2)
    assert model.most == 2


def test_a_slow_run_is_given_up_and_leaves_nothing_open(file: ModuleType) -> None:
    model = Model(50.0, 50.0, 1.0)
    with pytest.raises(file.RunTimeoutError, match="no result after 4 s"):
        _run(file, model, "a", "b", "c", timeout=4)
    assert model.open == 0


def test_too_many_items_are_an_error_before_any_call(file: ModuleType) -> None:
    model = Model()
    with pytest.raises(file.AnswerError, match="10 items, and at most 9"):
        _run(file, model, *"abcdefghij")
    assert not model.starts


def test_streams_tell_of_nodes_and_calls(file: ModuleType) -> None:
    async def main() -> list[Any]:
        context = file.new_context(llm=Model(), tools={"check": _no})
        stream = file.graph.astream(
            {"items": ["a"]}, context=context, stream_mode=["updates", "custom"], subgraphs=True
        )
        return [part async for part in stream]

    parts = clock.run(main())
    calls = [told["site"] for _, mode, told in parts if mode == "custom"]
    assert calls == ["try", "better", "better"]
    updated = {node for _, mode, update in parts if mode == "updates" for node in update}
    assert {"make_try", "check_kept", "make_better", "gather_out"} <= updated


def test_runs_on_one_thread_do_not_see_each_other(file: ModuleType) -> None:
    """Also after a run that failed halfway: counters and lists of results start anew."""

    async def main() -> list[Any]:
        graph = file.build(InMemorySaver())
        config = {"configurable": {"thread_id": "1"}}
        found: list[Any] = []
        for model in (Model(), Model(1.0, 1.0, Http(401)), Model()):
            context = file.new_context(llm=model, tools={"check": _no})
            try:
                answer = await graph.ainvoke({"items": ["a", "b"]}, config, context=context)
                found.append((answer["result"], len(model.starts)))
            except file.CallError:
                found.append(None)
        return found

    first, failed, again = clock.run(main())
    assert failed is None
    assert first == again
    assert first[1] == 6


def test_a_run_goes_on_where_it_failed(file: ModuleType) -> None:
    """With a checkpointer, a run without input repeats only what had not ended."""

    async def main() -> tuple[Any, int, int]:
        graph = file.build(InMemorySaver())
        config = {"configurable": {"thread_id": "1"}}
        broken, whole = Model(1.0, 1.0, Http(401)), Model()
        context = file.new_context(llm=broken, tools={"check": _no})
        with pytest.raises(file.CallError):
            await graph.ainvoke({"items": ["a"]}, config, context=context)
        context = file.new_context(llm=whole, tools={"check": _no})
        answer = await graph.ainvoke(None, config, context=context)
        return answer["result"], len(broken.starts), len(whole.starts)

    result, before, after = clock.run(main())
    assert len(result) == 1
    assert (before, after) == (3, 1)


def test_schemas_are_json_and_contexts_may_be(file: ModuleType) -> None:
    graph = file.graph
    settings = graph.get_context_jsonschema()["properties"]
    assert set(settings) == {"point", "provider", "call_timeout", "retries"}
    assert "items" in graph.get_input_jsonschema()["properties"]
    assert "result" in graph.get_output_jsonschema()["properties"]
    answer = asyncio.run(graph.ainvoke({"items": []}, context={"point": 0}))
    assert answer["result"] == []
    with pytest.raises(file.WorkflowError, match=r"try: no client for the model small: .*provider"):
        asyncio.run(graph.ainvoke({"items": ["a"]}, context={"point": 0, "retries": 0}))


def test_chat_models_have_a_client_for_every_node_and_configuration(
    file: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import langchain.chat_models
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    made: list[dict[str, Any]] = []

    def init(model: str, **options: Any) -> Any:
        made.append({"model": model, **options})
        usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
        return GenericFakeChatModel(
            messages=iter([AIMessage(f"hello {i}", usage_metadata=usage) for i in range(9)])
        )

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", init)
    llm = file.chat_model_llm("http://localhost:1", "key")
    result = _run(file, llm, "a")
    assert (result.usage.calls, result.usage.input_tokens) == (3, 21)
    assert [m["model"] for m in made] == ["small", "small"]
    assert all(m["max_retries"] == 0 and m["stream_usage"] for m in made)
