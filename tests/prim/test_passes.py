"""Passes on primitives keep what a graph gives, asks and writes, and never make it later."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.transforms.common_subexpression_elimination import CommonSubexpressionElimination
from xdsl.transforms.dead_code_elimination import DeadCodeElimination

from flowir.dialects import prim
from flowir.passes.prim_pipeline_decode import PrimPipelineDecode
from flowir.passes.prim_prune_deps import PrimPruneDeps
from flowir.passes.prim_speculate import PrimSpeculate, wasted_s
from flowir.passes.prim_split_prefill import PrimSplitPrefill
from flowir.passes.prim_split_stages import PrimSplitStages
from flowir.prim.from_ir import find_graph, primitive_graph
from flowir.prim.graph import critical_path_s
from flowir.prim.reference import Outcome, PureEngines, run
from flowir.prim.timing import engines_of
from tests.budget import some
from tests.prim.graphs import engine_file, graph_texts, parse

PASSES = (PrimPruneDeps, PrimSplitStages, PrimPipelineDecode, PrimSplitPrefill, PrimSpeculate)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
DOCUMENTS = [f"document {number}" for number in range(7)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Engines of several kinds: the defaults, cheap and dear batches, one slot and several."""
    folder: Path = tmp_path_factory.mktemp("engines")
    return [
        "",
        engine_file(folder / "a.json", 4, 4, 1, 0.0, 0.0),
        engine_file(folder / "b.json", 8, 64, 3, 0.02, 0.01),
        engine_file(folder / "c.json", 5, 16, 2, 0.5, 0.3),
    ]


def applied(module: ModuleOp, *passes: ModulePass) -> ModuleOp:
    result = module.clone()
    for step in passes:
        step.apply(Context(), result)
    result.verify()
    return result


def made(kind: type[ModulePass], file: str) -> ModulePass:
    return kind() if kind is PrimPruneDeps else kind(engines=file)


def outcome(module: ModuleOp, salt: int) -> Outcome:
    return run(find_graph(module), ["why?", DOCUMENTS[: salt % 8]], PureEngines(salt))


def path_s(module: ModuleOp, file: str) -> float:
    graph = find_graph(module)
    return critical_path_s(primitive_graph(graph), engines_of(graph, file))


def is_computed(module: ModuleOp) -> bool:
    """Whether a primitive makes the result."""
    return isinstance(find_graph(module).result.owner, prim.PrimitiveOp)


def same(before: Outcome, after: Outcome, speculated: bool) -> None:
    assert after.value == before.value
    assert after.written == before.written
    assert after.ingested == before.ingested
    if speculated:
        assert before.answers <= after.answers
    else:
        assert before.answers == after.answers


@settings(max_examples=some(60), deadline=None, phases=PHASES)
@given(
    text=graph_texts,
    order=st.permutations(range(len(PASSES))),
    count=st.integers(1, len(PASSES)),
    file=st.integers(0, 3),
    salt=st.integers(0, 40),
)
def test_any_combination_of_passes_gives_the_same(
    files: list[str], text: str, order: list[int], count: int, file: int, salt: int
) -> None:
    module = parse(text)
    chosen = [PASSES[place] for place in order[:count]]
    after = applied(module, *(made(kind, files[file]) for kind in chosen))
    for each in (salt, salt + 1):
        same(outcome(module, each), outcome(after, each), PrimSpeculate in chosen)


@pytest.mark.parametrize("kind", PASSES)
@settings(max_examples=some(15), deadline=None, phases=PHASES)
@given(text=graph_texts, file=st.integers(0, 3), pruned=st.booleans())
def test_each_pass_alone_never_lengthens_the_critical_path(
    files: list[str], kind: type[ModulePass], text: str, file: int, pruned: bool
) -> None:
    module = parse(text)
    if pruned:
        module = applied(module, PrimPruneDeps())
    if not is_computed(module):
        return
    after = applied(module, made(kind, files[file]))
    assert path_s(after, files[file]) <= path_s(module, files[file]) + 1e-9


@settings(max_examples=some(15), deadline=None, phases=PHASES)
@given(text=graph_texts, file=st.integers(0, 3))
def test_passes_do_nothing_the_second_time_but_what_they_may(
    files: list[str], text: str, file: int
) -> None:
    module = applied(parse(text), PrimPruneDeps())
    for kind in (PrimPruneDeps, PrimSpeculate):
        once = applied(module, made(kind, files[file]))
        assert str(applied(once, made(kind, files[file]))) == str(once)


@settings(max_examples=some(15), deadline=None, phases=PHASES)
@given(text=graph_texts, salt=st.integers(0, 40))
def test_simplifying_merges_no_draws_and_drops_no_writes(text: str, salt: int) -> None:
    module = parse(text)
    simple = applied(module, CommonSubexpressionElimination(), DeadCodeElimination())
    before, after = outcome(module, salt), outcome(simple, salt)
    assert (after.value, after.written, after.ingested) == (
        before.value,
        before.written,
        before.ingested,
    )
    assert after.answers <= before.answers
    used = applied(module, DeadCodeElimination())
    assert outcome(applied(used, CommonSubexpressionElimination()), salt).answers == (
        outcome(used, salt).answers
    )


@settings(max_examples=some(15), deadline=None, phases=PHASES)
@given(text=graph_texts)
def test_graphs_print_as_they_read(text: str) -> None:
    module = applied(parse(text), PrimSplitStages(), PrimPipelineDecode(), PrimSplitPrefill())
    assert str(parse(str(module))) == str(module)


@settings(max_examples=some(15), deadline=None, phases=PHASES)
@given(text=graph_texts)
def test_nothing_is_wasted_that_does_not_run_ahead(text: str) -> None:
    module = applied(parse(text), PrimPruneDeps())
    assert wasted_s(find_graph(module)) == 0.0
    cautious = find_graph(applied(module, PrimSpeculate(most=0)))
    assert wasted_s(cautious) == 0.0
    bold = find_graph(applied(module, PrimSpeculate()))
    ahead = [op for op in bold.primitives if op.waste is not None]
    assert (wasted_s(bold) > 0.0) == any(op.waste.data > 0.0 for op in ahead if op.waste)
