"""Runs one of the four workflows: lowered, with or without the passes, on the corpus beside it.

    python -m flowir.examples.teola advanced_rag --question "Who found Titan?" --stand-in
    python -m flowir.examples.teola advanced_rag --queries questions.jsonl --base-url URL --model M

--modules leaves the passes out: each step waits for the one before it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.resources import files

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin
from xdsl.parser import Parser

from flowir.dialects import flow, prim
from flowir.dialects.dse import Dse
from flowir.examples.teola.tools import CORPUS
from flowir.passes.pipelines import TEOLA
from flowir.prim.from_ir import find_graph, tool_engines
from flowir.runtime.primitives.command_line import main as run
from flowir.runtime.primitives.from_ir import program_of
from flowir.universe import FLOWIR_UNIVERSE

WORKFLOWS = ("se_generation", "naive_rag", "advanced_rag", "contextual_retrieval")
LOWERED = TEOLA[: TEOLA.index("lower-flow-to-prim") + 1]
"""The passes without which nothing runs."""


def graph_of(workflow: str, passes: Sequence[str] = TEOLA) -> prim.GraphOp:
    """The primitives of a workflow."""
    context = Context()
    for dialect in (Builtin, flow.Flow, Dse, prim.PrimDialect):
        context.load_dialect(dialect)
    text = (files("flowir.examples.teola") / f"{workflow}.mlir").read_text(encoding="utf-8")
    module = Parser(context, text).parse_module()
    for name in passes:
        FLOWIR_UNIVERSE.all_passes[name]()().apply(context, module)
    module.verify()
    return find_graph(module)


def main(arguments: Sequence[str]) -> int:
    """Run what the command line says; gives the exit code."""
    if not arguments or arguments[0] not in WORKFLOWS:
        print(f"{__doc__}\nWorkflows: {', '.join(WORKFLOWS)}", file=sys.stderr)
        return 2
    workflow, *rest = arguments
    passes = LOWERED if "--modules" in rest else TEOLA
    rest = [option for option in rest if option != "--modules"]
    graph = graph_of(workflow, passes)
    program = program_of(graph)
    given = any(option.startswith(("--corpus", "--documents", "--help")) for option in rest)
    if any(one.name == "documents" for one in program.inputs) and not given:
        rest += ["--corpus", str(CORPUS)]
    tools = {
        op.sym_name.data: op.impl.data
        for op in graph.parent_op().body.block.ops  # type: ignore[union-attr]
        if isinstance(op, flow.ToolOp)
    }
    return run(program, __doc__, tools=tools, engines=tool_engines(graph), arguments=rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
