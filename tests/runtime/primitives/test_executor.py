"""The executor gives what the reference execution gives, however queries share its engines."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st
from xdsl.context import Context

from flowir.dialects import prim
from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine
from flowir.errors import PrimError, SchedulingError
from flowir.passes.prim_pipeline_decode import PrimPipelineDecode
from flowir.passes.prim_prune_deps import PrimPruneDeps
from flowir.passes.prim_speculate import PrimSpeculate
from flowir.passes.prim_split_prefill import PrimSplitPrefill
from flowir.passes.prim_split_stages import PrimSplitStages
from flowir.prim.from_ir import find_graph, tool_engines
from flowir.prim.trace import Trace
from flowir.prim.values import MISSING
from flowir.runtime.llm import CallError
from flowir.runtime.primitives.answering import LanguageModel
from flowir.runtime.primitives.executor import Executor
from flowir.scheduling.policies import FIFO, PER_INVOCATION, POLICIES, TEOLA, Policy
from flowir.sim import clock
from tests.budget import some
from tests.prim.graphs import graph_text, graph_texts
from tests.runtime.primitives.graphs import BRANCH, INPUTS, MAP, RAG
from tests.runtime.primitives.pure_engines import ENGINES, Pure, outcome, parsed, pure

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Seeds of graphs do not shrink."""

STORE = BatchEngine("vector store", 0.01)

PASSES = (
    PrimPruneDeps(),
    PrimSplitStages(),
    PrimPipelineDecode(),
    PrimSplitPrefill(),
    PrimSpeculate(),
)

GRAPHS = {"rag": RAG, "branch": BRANCH, "map": MAP}


async def together(
    engines: Pure,
    inputs: list[dict[str, Any]],
    policy: Policy = TEOLA,
    known: Mapping[str, Engine] = ENGINES,
) -> tuple[list[Any], Trace]:
    """What queries give that arrive one after another and run at the same time."""
    async with Executor(known, engines.parts, tools=engines.tools, policy=policy) as executor:

        async def later(place: int, given: dict[str, Any]) -> Any:
            await asyncio.sleep(place * 0.02)
            return await executor.run(engines.program, given, name=f"q{place}")

        found = await asyncio.gather(*(later(*each) for each in enumerate(inputs)))
        return list(found), executor.trace(engines.program.name)


@settings(max_examples=some(15))
@given(
    st.sampled_from(sorted(GRAPHS)),
    st.integers(0, 10_000),
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    st.sampled_from(sorted(POLICIES)),
)
def test_a_run_gives_what_the_reference_gives(
    name: str, salt: int, queries: list[int], policy: str
) -> None:
    engines = pure(GRAPHS[name], salt=salt)
    inputs = [{**INPUTS[name], "q": f"question {number}?"} for number in queries]
    wanted = [outcome(engines.graph, list(one.values()), salt) for one in inputs]
    found, trace = clock.run(together(engines, inputs, POLICIES[policy]))
    assert found == [one.value for one in wanted]
    asked = Counter(
        (site, tuple((m["role"], m["content"]) for m in messages))
        for site, messages in engines.asked
        if site != "ahead"
    )
    assert asked == sum((one.answers for one in wanted), Counter())
    assert engines.written == sum((one.written for one in wanted), Counter())
    assert not engines.entries  # What was ingested for a query is gone with it.
    check_trace(trace)
    check_batches(engines)


@settings(max_examples=some(25), phases=PHASES)
@given(graph_texts, st.integers(0, 40), st.booleans())
@example(graph_text(Random(2123).randint), 3, True)
@example(graph_text(Random(254).randint), 14, True)
def test_any_graph_gives_what_the_reference_gives(text: str, salt: int, passes: bool) -> None:
    """With and without the passes; a query that the reference fails may fail here too."""
    module = parsed(text)
    graph = find_graph(module)
    assume(isinstance(graph.result.owner, prim.PrimitiveOp))
    assume(not isinstance(graph.result.type, prim.IndexType | prim.EmbeddingsType))
    queries = [
        {"q": f"why {k}?", "docs": [f"document {number}" for number in range((salt + k) % 8)]}
        for k in range(3)
    ]
    wanted: list[Any] = []
    for inputs in queries:
        try:
            wanted.append(outcome(graph, list(inputs.values()), salt))
        except PrimError as error:
            wanted.append(error)
    if passes:
        for one in PASSES:
            one.apply(Context(), module)
    engines = Pure(find_graph(module), salt=salt)
    known = {**ENGINES, **tool_engines(graph)}

    async def run() -> tuple[list[Any], Trace]:
        async with Executor(known, engines.parts, tools=engines.tools) as executor:
            runs = [executor.run(engines.program, inputs) for inputs in queries]
            values = await asyncio.gather(*runs, return_exceptions=True)
            return list(values), executor.trace("g")

    found, trace = clock.run(run())
    for value, one in zip(found, wanted, strict=True):
        if isinstance(one, PrimError):
            continue
        if one.value is MISSING:
            assert isinstance(value, PrimError)
            assert "nothing that ran gives its result" in str(value)
        else:
            assert value == one.value
    if not any(isinstance(one, PrimError) or one.value is MISSING for one in wanted):
        assert engines.written == sum((one.written for one in wanted), Counter())
    assert not engines.entries
    check_trace(trace)
    check_batches(engines)


def check_trace(trace: Trace) -> None:
    """No primitive begins before what it needs has ended; no engine does more than it can."""
    ends: dict[tuple[str, int], float] = {}
    for span in trace.spans:
        key = span.query, span.node
        ends[key] = max(span.end_s, ends.get(key, 0.0))
    for span in trace.spans:
        assert all(ends.get((span.query, node), 0.0) <= span.start_s for node in span.after)
    for name, engine in ENGINES.items():
        spans = [span for span in trace.spans if span.engine == name]
        batches = {span.batch: (span.start_s, span.end_s) for span in spans}
        for start, end in batches.values():
            at_once = sum(s <= start < e for s, e in batches.values() if end > start)
            assert at_once <= engine.slots


def check_batches(engines: Pure) -> None:
    """No call has more items than its engine takes."""
    names = {"ingestion": "vector store", "searching": "vector store", "reranking": "reranker"}
    for kind, items in engines.batches:
        engine = ENGINES.get(names.get(kind, kind))
        assert not isinstance(engine, BatchEngine) or items <= engine.largest_batch


def test_queries_share_batches_unless_the_policy_forbids_it() -> None:
    inputs = [INPUTS["rag"]] * 3
    shared, alone = pure(RAG, pause_s=0.1), pure(RAG, pause_s=0.1)
    wide = {**ENGINES, "embedding": BatchEngine("embedding", 0.05), "vector store": STORE}
    first, trace = clock.run(together(shared, inputs, TEOLA, wide))
    second, _ = clock.run(together(alone, inputs, PER_INVOCATION, wide))
    assert first == second
    assert len(shared.batches) < len(alone.batches)
    queries: dict[int | None, set[str]] = {}
    for span in trace.spans:
        if span.engine == "embedding":
            queries.setdefault(span.batch, set()).add(span.query)
    assert any(len(names) > 1 for names in queries.values())


def test_a_part_of_an_answer_goes_on_while_the_rest_is_written() -> None:
    for salt in range(20):
        engines = pure(RAG, salt=salt, pause_s=0.1)
        _, trace = clock.run(together(engines, [INPUTS["rag"]]))
        spans = {span.name: span for span in trace.spans}
        if spans.get("qe2: embedding", spans["answer: decoding"]).items > 1:
            break
    written = spans["ways: partial decoding 2 of 2"].end_s
    assert spans["qe1: embedding"].end_s < written <= spans["qe2: embedding"].start_s


def test_the_beginning_of_a_prompt_is_sent_ahead() -> None:
    engines = pure(RAG)
    clock.run(together(engines, [INPUTS["rag"]]))
    ahead = next(messages for site, messages in engines.asked if site == "ahead")
    whole = next(messages for site, messages in engines.asked if site == "answer")
    assert ahead[:-1] == whole[:-1] == [{"role": "system", "content": "Be short."}]
    assert ahead[-1]["content"] == "Q: tides?"
    assert whole[-1]["content"].startswith("Q: tides?\nFrom:\n1. ")


def test_what_is_sent_ahead_may_fail() -> None:
    class Refusing(Pure):
        async def __call__(self, node: str, messages: Any, *, model: str, **params: Any) -> Any:
            raise CallError("no room", transient=False)

    engines = Refusing(pure(RAG).graph)
    found, trace = clock.run(together(engines, [INPUTS["rag"]]))
    assert found == [outcome(engines.graph, list(INPUTS["rag"].values())).value]
    assert any("could not be sent ahead: no room" in span.note for span in trace.spans)


def test_an_endpoint_without_a_prefix_cache_is_not_warmed() -> None:
    engines = pure(RAG)
    parts = {**engines.parts, "llm": LanguageModel(engines, warms=False)}

    async def run() -> None:
        async with Executor(ENGINES, parts) as executor:
            await executor.run(engines.program, INPUTS["rag"])

    clock.run(run())
    assert all(site != "ahead" for site, _ in engines.asked)


class Flaky(Pure):
    """Fails at what mentions `broken`; as often as is said at everything else."""

    failures = 0
    transient = False

    async def took(self, kind: str, items: int) -> None:
        await super().took(kind, items)
        if self.failures:
            self.failures -= 1
            raise CallError("for now", transient=True)

    async def embed(self, texts: Any) -> Any:
        if any("broken" in text for text in texts):
            await asyncio.sleep(0.01)
            raise CallError("the embedder gave up", transient=False)
        return await super().embed(texts)

    async def pieces(self, node: str, messages: Any, *, model: str, **params: Any) -> Any:
        if "bad question" in messages[-1]["content"]:
            raise CallError("refused", transient=False)
        async for piece in super().pieces(node, messages, model=model, **params):
            yield piece


@pytest.mark.parametrize("policy", [TEOLA, FIFO, PER_INVOCATION])
def test_a_failure_fails_its_query_and_no_other(policy: Policy) -> None:
    engines = Flaky(pure(RAG).graph)
    good = INPUTS["rag"]
    broken = {**good, "docs": ["broken", "sea"]}
    refused = {**good, "q": "bad question"}

    async def run() -> list[Any]:
        async with Executor(ENGINES, engines.parts, policy=policy) as executor:
            runs = [
                executor.run(engines.program, one, name=name)
                for name, one in (("a", good), ("b", broken), ("c", refused), ("d", good))
            ]
            return list(await asyncio.gather(*runs, return_exceptions=True))

    first, embedder, model, last = clock.run(run())
    assert first == last == outcome(engines.graph, list(good.values())).value
    assert isinstance(embedder, PrimError)
    assert "query b: e1: embedding 1 of 2 on embedding failed: the embedder" in str(embedder)
    assert isinstance(embedder.__cause__, CallError)
    assert "query c: " in str(model)
    assert "on llm failed: refused" in str(model)
    assert not engines.entries


def test_what_may_pass_is_tried_again() -> None:
    engines = Flaky(pure(RAG).graph)
    engines.failures = 2
    found, _ = clock.run(together(engines, [INPUTS["rag"]]))
    assert found == [outcome(engines.graph, list(INPUTS["rag"].values())).value]


def test_what_ran_ahead_may_fail_where_nobody_reads_it() -> None:
    async def fails(*given: Any) -> Any:
        raise OSError("page not found")

    seen = set()
    for salt in range(6):
        engines = pure(BRANCH, salt=salt)
        wanted = outcome(engines.graph, ["why?"], salt)
        read = not any(site == "plain" for site, _ in wanted.answers)

        async def run(engines: Pure = engines) -> Any:
            tools = {**engines.tools, "look": fails}
            async with Executor(ENGINES, engines.parts, tools=tools) as executor:
                return await executor.run(engines.program, {"q": "why?"})

        if read:
            with pytest.raises(PrimError, match="page not found"):
                clock.run(run())
        else:
            assert clock.run(run()) == wanted.value
        seen.add(read)
    assert seen == {True, False}


def test_what_writes_is_done_though_nobody_waits_for_it() -> None:
    engines = pure(BRANCH)
    stored: list[str] = []

    async def store(text: str) -> str:
        await asyncio.sleep(5)
        stored.append(text)
        return ""

    async def run() -> None:
        async with Executor(
            ENGINES, engines.parts, tools={**engines.tools, "store": store}
        ) as executor:
            await executor.run(engines.program, {"q": "why?"})

    clock.run(run())
    assert stored == ["why?"]


def test_cancelling_a_query_ends_its_requests_and_leaves_the_others() -> None:
    engines = pure(RAG, pause_s=0.05)
    good = INPUTS["rag"]

    async def run() -> Any:
        async with Executor(ENGINES, engines.parts) as executor:
            first = asyncio.create_task(executor.run(engines.program, good, name="first"))
            second = asyncio.create_task(executor.run(engines.program, good, name="second"))
            await asyncio.sleep(0.12)
            first.cancel()
            found = await asyncio.gather(first, second, return_exceptions=True)
            return found, executor.trace("rag")

    (cancelled, answered), trace = clock.run(run())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert answered == outcome(engines.graph, list(good.values())).value
    assert any(span.outcome == "cancelled" for span in trace.spans if span.query == "first")
    assert not engines.entries


@pytest.mark.parametrize("turns", range(8))
def test_a_request_that_is_cancelled_before_it_begins_frees_its_slot(turns: int) -> None:
    engines = pure(MAP)
    one = {**ENGINES, "llm": LanguageModelEngine("llm", 0.01, 1e-4, 0.01, slots=1)}

    async def run() -> Any:
        async with Executor(one, engines.parts, tools=engines.tools) as executor:
            first = asyncio.create_task(executor.run(engines.program, INPUTS["map"]))
            for _ in range(turns):
                await asyncio.sleep(0)
            first.cancel()
            return await executor.run(engines.program, INPUTS["map"])

    assert clock.run(run()) == outcome(engines.graph, ["the whole"]).value


def test_what_is_missing_is_said() -> None:
    engines = pure(RAG)

    async def run(parts: Any, inputs: Any, known: Any = ENGINES) -> None:
        async with Executor(known, parts) as executor:
            await executor.run(engines.program, inputs)

    good = INPUTS["rag"]
    with pytest.raises(PrimError, match="takes docs, q, and is given q"):
        clock.run(run(engines.parts, {"q": ""}))
    with pytest.raises(PrimError, match="nothing stands behind engine 'llm'"):
        clock.run(run({n: p for n, p in engines.parts.items() if n != "llm"}, good))
    with pytest.raises(PrimError, match="give a LanguageModel"):
        clock.run(run({**engines.parts, "llm": engines.embed}, good))
    with pytest.raises(SchedulingError, match="which is not there"):
        clock.run(run(engines.parts, good, {n: e for n, e in ENGINES.items() if n != "llm"}))
    small = {**ENGINES, "llm": LanguageModelEngine("llm", 0.0, 0.0, 0.0, kv_tokens=3)}
    with pytest.raises(SchedulingError, match="KV cache"):
        clock.run(run(engines.parts, good, small))


def test_a_list_that_is_too_short_is_said() -> None:
    text = MAP.replace("prim.return %a", "prim.return %s1")
    for salt in range(20):
        engines = pure(text, salt=salt)
        if outcome(engines.graph, ["the whole"], salt).value is MISSING:
            break
    with pytest.raises(PrimError, match=r"gives its result; p\d: item wants item \d of a list of"):
        clock.run(together(engines, [INPUTS["map"]]))


def test_the_critical_path_leads_to_the_answer() -> None:
    engines = pure(RAG)
    _, trace = clock.run(together(engines, [INPUTS["rag"]]))
    path = trace.critical_path("q0")
    assert path[-1].name == "answer: decoding"
    for before, after in itertools.pairwise(path):
        assert before.node in after.after
        assert before.end_s <= after.start_s
    assert path[-1].end_s == trace.queries[0].answered_s
