"""Published examples, and what passes decide on small graphs worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from flowir.dialects import prim
from flowir.engines.defaults import DEFAULT_ENGINES, EMBEDDING, LLM, SPLIT_OVERHEAD_S
from flowir.engines.engine import BatchEngine, LanguageModelEngine
from flowir.errors import PrimError
from flowir.passes.prim_pipeline_decode import PrimPipelineDecode
from flowir.passes.prim_speculate import PrimSpeculate, wasted_s
from flowir.passes.prim_split_prefill import PrimSplitPrefill
from flowir.passes.prim_split_stages import PrimSplitStages
from flowir.prim.from_ir import find_graph, primitive_graph, read_graph
from flowir.prim.graph import alone_s, critical_path_s
from flowir.prim.timing import engines_of
from tests.prim.graphs import DECLARED, parse

TEXT, TEXTS = "!flow.text", "!flow.list<!flow.text>"


def graph(body: str, gives: str = TEXT) -> ModuleOp:
    return parse(f"{DECLARED}prim.graph @g(%q: {TEXT}, %docs: {TEXTS}) -> {gives} {{\n{body}\n}}")


def names(module: ModuleOp) -> list[str]:
    return [op.name.removeprefix("prim.") for op in find_graph(module).primitives]


def after(module: ModuleOp, step: ModulePass) -> ModuleOp:
    step.apply(Context(), module)
    module.verify()
    return module


def by_kind(module: ModuleOp, file: str) -> dict[str, float]:
    """Seconds of the nodes, by kind."""
    engines = engines_of(find_graph(module), file)
    return {n.kind: alone_s(n, engines) for n in primitive_graph(find_graph(module)).nodes}


def path_s(module: ModuleOp, file: str = "") -> float:
    found = find_graph(module)
    return critical_path_s(primitive_graph(found), engines_of(found, file))


EMBED_48 = """
  %e = prim.embedding(%docs) engine "embedding" work <items = 48> : (!flow.list<!flow.text>)
    -> !prim.embeddings
  prim.return %e : !prim.embeddings
"""


def test_48_embeddings_in_batches_of_16_take_1_35_s_and_of_4_take_1_8_s() -> None:
    """Teola's example: 1.8 s in the module's batches of 4, 1.35 s in the engine's of 16."""
    whole = graph(EMBED_48, "!prim.embeddings")
    by_4 = BatchEngine(EMBEDDING.name, base_s=0.05, per_item_s=0.025, largest_batch=4)
    assert critical_path_s(
        primitive_graph(find_graph(whole)), {EMBEDDING.name: by_4}
    ) == pytest.approx(1.8, abs=1e-12)
    split = primitive_graph(find_graph(after(whole, PrimSplitStages())))
    parts = [node for node in split.nodes if node.kind == "embedding"]
    assert [node.work.items for node in parts] == [16, 16, 16]
    assert sum(alone_s(node, DEFAULT_ENGINES) for node in parts) == pytest.approx(1.35, abs=1e-12)


def prefill_after(seconds: float, folder: Path) -> tuple[ModuleOp, str]:
    """A prompt of 4,447 tokens known at once and 18,433 after some seconds, and its engines."""
    module = graph(f"""
  %late = prim.tool @reads(%q) engine "slow" : ({TEXT}) -> {TEXT}
  %kv = prim.prefilling @say["early" tokens 4447, %late tokens 18433 late] engine "llm"
    work <input = 22880> : ({TEXT}) -> !prim.kv
  %a = prim.decoding @say(%kv) engine "llm" : (!prim.kv) -> {TEXT}
  prim.return %a : {TEXT}""")
    model = {
        "name": "llm", "kind": "language model", "prefill_base_s": SPLIT_OVERHEAD_S,
        "prefill_per_token_s": 1e-5, "decode_base_s": 0.01,
    }  # fmt: skip
    slow = {"name": "slow", "kind": "batch", "base_s": seconds}
    path = folder / "engines.json"
    path.write_text(json.dumps({"schema": 1, "engines": [model, slow]}))
    return module, str(path)


def test_a_split_prefill_takes_76_03_and_215_89_ms_instead_of_260_36(tmp_path: Path) -> None:
    """Teola's example, on an engine with the base that follows from it."""
    module, file = prefill_after(0.1, tmp_path)
    engines = engines_of(find_graph(module), file)
    kinds = {
        node.kind: alone_s(node, engines) for node in primitive_graph(find_graph(module)).nodes
    }
    assert kinds["prefilling"] == pytest.approx(0.26036, abs=1e-9)
    before = path_s(module, file)
    after(module, PrimSplitPrefill(engines=file))
    kinds = {
        node.kind: alone_s(node, engines) for node in primitive_graph(find_graph(module)).nodes
    }
    assert kinds["partial prefilling"] == pytest.approx(0.07603, abs=1e-9)
    assert kinds["full prefilling"] == pytest.approx(0.21589, abs=1e-9)
    assert before - path_s(module, file) == pytest.approx(0.26036 - 0.21589, abs=1e-9)


@pytest.mark.parametrize(("seconds", "split"), [(0.0315, False), (0.0317, True)])
def test_a_prefill_is_split_only_if_the_rest_is_later_than_the_base(
    seconds: float, split: bool, tmp_path: Path
) -> None:
    module, file = prefill_after(seconds, tmp_path)
    after(module, PrimSplitPrefill(engines=file))
    assert ("partial_prefilling" in names(module)) == split


CONDITION = f"""
  %k = prim.prefilling @judge["judge" tokens 100] engine "llm" work <input = 100> : () -> !prim.kv
  %l = prim.decoding @judge(%k) labels ["x"] engine "llm" work <output = 50> : (!prim.kv)
    -> !flow.label
  %yes, %no = prim.condition label(%l) ["x" 0.25, else 0.75] : (!flow.label)
    -> (!prim.guard, !prim.guard)
  %t = prim.tool @reads(%q) engine "@reads" if %yes : ({TEXT}) -> {TEXT}
  %w = prim.tool @writes(%t) engine "@writes" if %yes : ({TEXT}) -> {TEXT}
  %a = prim.aggregate choose(%w, %q, %yes, %no) : ({TEXT}, {TEXT}, !prim.guard, !prim.guard)
    -> {TEXT}
  prim.return %a : {TEXT}
"""


def test_what_reads_runs_ahead_and_what_writes_does_not() -> None:
    """@reads takes 0.7 s and is wanted a quarter of the time."""
    module = after(graph(CONDITION), PrimSpeculate())
    guarded = {
        op.results[0].name_hint: op.guard is not None for op in find_graph(module).primitives
    }
    assert guarded["t"] is False
    assert guarded["w"] is True
    assert wasted_s(find_graph(module)) == pytest.approx(0.75 * 0.7)
    bounded = after(graph(CONDITION), PrimSpeculate(most=0.5))
    assert wasted_s(find_graph(bounded)) == 0.0
    assert str(bounded) == str(graph(CONDITION))


def test_guards_are_read_with_those_around_them() -> None:
    module = graph(f"""
  %k = prim.prefilling @judge["judge"] engine "llm" : () -> !prim.kv
  %l = prim.decoding @judge(%k) engine "llm" : (!prim.kv) -> !flow.label
  %yes, %no = prim.condition label(%l) ["x" 0.25, else 0.75] : (!flow.label)
    -> (!prim.guard, !prim.guard)
  %in, %out = prim.condition label(%l) ["y", else] if %no : (!flow.label)
    -> (!prim.guard, !prim.guard)
  %t = prim.tool @reads(%q) engine "@reads" if %in : ({TEXT}) -> {TEXT}
  prim.return %t : {TEXT}""")
    read = primitive_graph(find_graph(module))
    assert read.nodes[4].guards == ((2, ""), (3, "y"))
    assert read.odds == {2: {"x": 0.25, "": 0.75}, 3: {"y": 0.5, "": 0.5}}
    assert read.nodes[1].kv == 0


def test_items_of_an_answer_go_on_while_it_is_written() -> None:
    """Three items of 30 tokens: the first is there after 10 of them."""
    module = graph(f"""
  %k = prim.prefilling @list["list"] engine "llm" work <input = 100> : () -> !prim.kv
  %l = prim.decoding @list(%k) engine "llm" work <items = 3, output = 30, context = 100>
    : (!prim.kv) -> {TEXTS}
  %first = prim.item(%l) 0 : ({TEXTS}) -> {TEXT}
  %a = prim.tool @reads(%first) engine "@reads" : ({TEXT}) -> {TEXT}
  prim.return %a : {TEXT}""")
    before = path_s(module)
    after(module, PrimPipelineDecode())
    assert names(module).count("partial_decoding") == 3
    model = DEFAULT_ENGINES[LLM]
    assert isinstance(model, LanguageModelEngine)
    saved = model.decode_s(30, 100) - model.decode_s(10, 100)
    assert before - path_s(module) == pytest.approx(saved, abs=1e-9)
    decodes = [node for node in primitive_graph(find_graph(module)).nodes if "decod" in node.kind]
    whole = sum(alone_s(node, DEFAULT_ENGINES) for node in decodes)
    assert whole == pytest.approx(model.decode_s(30, 100), abs=1e-12)


def test_a_list_that_is_read_as_a_whole_is_decoded_as_a_whole() -> None:
    module = graph(f"""
  %k = prim.prefilling @list["list"] engine "llm" : () -> !prim.kv
  %l = prim.decoding @list(%k) engine "llm" work <items = 3, output = 30> : (!prim.kv) -> {TEXTS}
  %k2 = prim.prefilling @say[%l] engine "llm" : ({TEXTS}) -> !prim.kv
  %a = prim.decoding @say(%k2) engine "llm" : (!prim.kv) -> {TEXT}
  prim.return %a : {TEXT}""")
    before = str(module)
    assert str(after(module, PrimPipelineDecode())) == before


def test_what_is_spare_is_read_only_when_asked_for() -> None:
    module = graph(
        f"""
  %i = prim.item(%docs) 0 : ({TEXTS}) -> {TEXT}
  %j = prim.item(%docs) 1 last spare : ({TEXTS}) -> {TEXT}
  %a = prim.aggregate gather(%i, %j) : ({TEXT}, {TEXT}) -> {TEXTS}
  prim.return %a : {TEXTS}""",
        TEXTS,
    )
    assert len(primitive_graph(find_graph(module)).nodes) == 2
    assert len(read_graph(find_graph(module), spare=True).graph.nodes) == 3


def test_an_engine_of_a_tool_that_is_not_known_is_an_error_with_its_mend() -> None:
    module = graph(f"""
  %a = prim.tool @reads(%q) engine "gpu" : ({TEXT}) -> {TEXT}
  prim.return %a : {TEXT}""")
    with pytest.raises(PrimError, match=r'prim.tool @reads .*no engine "gpu".*engines=FILE'):
        after(module, PrimSplitPrefill())


def test_graphs_are_found_by_name() -> None:
    module = graph(f"  prim.return %q : {TEXT}")
    assert isinstance(find_graph(module, "g"), prim.GraphOp)
    with pytest.raises(PrimError, match=r"no prim\.graph @h; there are: @g"):
        find_graph(module, "h")
    with pytest.raises(PrimError, match="there is nothing to run"):
        primitive_graph(find_graph(module))
