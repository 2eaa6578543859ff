"""How long the passes on primitives take for large graphs."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from benchmarks.figures import Figures
from benchmarks.measure import cpu_seconds
from flowir.dialects import flow, prim
from flowir.dialects.dse import Dse
from flowir.passes.pipelines import TEOLA
from flowir.prim.from_ir import find_graph, primitive_graph
from flowir.universe import FLOWIR_UNIVERSE

DECLARED = """
flow.agent @expand prompt "Three queries for {question}" -> !flow.list<!flow.text>
  attributes {prim.answer = #prim.size<items = 3, tokens = 36>}
flow.agent @answer prompt "Question: {question} Context: {found}"
flow.tool @embed impl "rag:embed" -> !flow.json effect pure as embedding
flow.tool @ingest impl "rag:ingest" -> !flow.json as ingestion
flow.tool @search impl "rag:search" -> !flow.list<!flow.text> effect reads as searching top 16
flow.tool @rerank impl "rag:rerank" -> !flow.list<!flow.text> effect pure as reranking top 3
"""

STAGE = """
  %v{i} = flow.call @embed(%docs) : (!flow.list<!flow.text>) -> !flow.json
  %x{i} = flow.call @ingest(%v{i}) : (!flow.json) -> !flow.json
  %q{i} = flow.call @expand(%a{j}) : (!flow.text) -> !flow.list<!flow.text>
  %e{i} = flow.call @embed(%q{i}) : (!flow.list<!flow.text>) -> !flow.json
  %f{i} = flow.call @search(%x{i}, %e{i}) : (!flow.json, !flow.json) -> !flow.list<!flow.text>
  %b{i} = flow.call @rerank(%a{j}, %f{i}) : (!flow.text, !flow.list<!flow.text>)
    -> !flow.list<!flow.text>
  %a{i} = flow.call @answer(%a{j}, %b{i}) : (!flow.text, !flow.list<!flow.text>) -> !flow.text
"""
"""Searches in 48 documents with queries that a model writes, and an answer that the next stage
starts from: 9 primitives, 23 when optimised."""


def staged(stages: int) -> ModuleOp:
    """So many stages one after another, as primitives in the order of modules."""
    body = "".join(
        STAGE.replace("{i}", str(number + 1)).replace("{j}", str(number))
        for number in range(stages)
    )
    text = (
        f"{DECLARED}flow.workflow @w(%docs: !flow.list<!flow.text>, %a0: !flow.text) -> !flow.text "
        "attributes {prim.inputs = {docs = #prim.size<items = 48, tokens = 12000>}} {"
        f"{body}  flow.return %a{stages} : !flow.text\n}}\n"
    )
    context = Context()
    for dialect in (Builtin, flow.Flow, Dse, prim.PrimDialect):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    for step in _passes("flow-inline", "lower-flow-to-prim"):
        step.apply(context, module)
    return module


def _passes(*names: str) -> Sequence[ModulePass]:
    return [FLOWIR_UNIVERSE.all_passes[name]()() for name in names]


def optimise(module: ModuleOp) -> ModuleOp:
    """What the passes of `teola` make of a module of primitives, which is left as it was."""
    made = module.clone()
    for step in _passes(*(name for name in TEOLA if name.startswith("prim-"))):
        step.apply(Context(), made)
    return made


def optimising(figures: Figures, *, quick: bool) -> None:
    """Passes on a graph that has 1,000 nodes when they are done; the copy is counted in."""
    module = staged(44)
    before, after = (
        len(primitive_graph(find_graph(each)).nodes) for each in (module, optimise(module))
    )
    seconds = min(cpu_seconds(lambda: optimise(module)) for _ in range(3 if quick else 7))
    note = f"{before} primitives become {after}; CPU time, fastest of several"
    figures.add("optimising a graph of 1,000 nodes", seconds, "s", at_most=1.0, note=note)
