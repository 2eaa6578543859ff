"""`flowir emit`: a workflow as a program or a drawing."""

from __future__ import annotations

from io import StringIO
from typing import Any

from flowir.calculus.from_ir import find_workflow
from flowir.cli.selecting import Wanted
from flowir.cli.writing import write
from flowir.passes.flow_select import FlowSelect
from flowir.search.annotate import annotated_workflow, front_from_ir
from flowir.source.workflows import read_workflow
from flowir.universe import FLOWIR_UNIVERSE, context


def run(target: str, wanted: Wanted, *, backend: str, out: str | None, name: str | None) -> None:
    """Write it to a file, or to standard output.

    Raises:
        FlowirError: the back end cannot express it, no such point, or no such file.
    """
    given = read_workflow(target, name)
    module, name = given.module, given.name
    if not wanted.nothing:
        workflow = annotated_workflow(module, name)
        name = workflow.sym_name.data
        number = wanted.number(front_from_ir(workflow))
        FlowSelect(point=number, workflow=name).apply(context(), module)
    text = StringIO()
    if backend == "mlir":
        text.write(str(module) + "\n")
    else:
        made: Any = FLOWIR_UNIVERSE.all_targets[backend]()
        workflow = find_workflow(module, name)
        made(workflow=workflow.sym_name.data).emit(context(), module, text)
    if out is None:
        print(text.getvalue(), end="")
    else:
        write([(out, text.getvalue())])
