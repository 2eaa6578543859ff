"""`flowir select`: one point of a front, in words, and the workflow compiled to it."""

from __future__ import annotations

from flowir.cli import tables
from flowir.cli.selecting import Wanted
from flowir.cli.writing import print_json, write
from flowir.passes.flow_select import FlowSelect
from flowir.search.annotate import workflow_hash
from flowir.search.front import Front
from flowir.search.pareto_json import front_document
from flowir.search.table import header, row
from flowir.source.workflows import read_front
from flowir.universe import context


def run(
    path: str,
    wanted: Wanted,
    *,
    out: str | None,
    name: str | None,
    profile: str | None,
    prices: str | None,
    as_json: bool,
) -> None:
    """Choose, say what was chosen, and write the workflow at that point.

    Raises:
        FlowirError: no such front or point, or a file that cannot be written.
    """
    module, workflow, front = read_front(path, name)
    number = wanted.number(front)
    document = front_document(front, workflow_hash(workflow))
    if out is not None:
        selecting = FlowSelect(
            point=number, workflow=front.workflow, profile=profile, prices=prices
        )
        selecting.apply(context(), module)
        write([(out, str(module) + "\n")])
    if as_json:
        print_json([*document["points"], *document["dominated"]][number])
        return
    tables.say(tables.console(), *_described(front, number))
    if out is not None:
        tables.say(tables.console(), f"wrote {out}")


def _described(front: Front, number: int) -> list[str]:
    """A point as lines of `what: value`."""
    titles, chosen = header(front), row(front, number)
    names = ("point", "accuracy", "latency", "cost", "certainty", "difference", "configuration")
    return [f"{getattr(titles, n)}: {text}" for n in names if (text := getattr(chosen, n))]
