"""`flowir diff`: what changed between two workflows and their fronts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from xdsl.dialects.builtin import ModuleOp

from flowir.calculus.from_ir import find_workflow
from flowir.cli import tables
from flowir.cli.writing import print_json
from flowir.dialects import flow
from flowir.dialects.dse import FRONT
from flowir.passes.flow_name_sites import FlowNameSites
from flowir.search.annotate import front_from_ir
from flowir.search.changes import Declarations, Fronts, declarations, fronts
from flowir.search.front import Front, words
from flowir.source.workflows import read_workflow
from flowir.universe import context

DIFFERENT = 3
"""The exit code where something changed; 1 is a failure, 2 a wrong command line."""


def run(old: str, new: str, name: str | None, as_json: bool) -> int:
    """Compare and print; the exit code.

    Raises:
        FlowirError: a file is missing or no module, or a front is stale.
    """
    before, after = (_workflow(target, name) for target in (old, new))
    code = declarations(_named(before), _named(after))
    both = FRONT in before.attributes and FRONT in after.attributes
    pair = (front_from_ir(before), front_from_ir(after)) if both else None
    compared = None if pair is None else fronts(*pair)
    if as_json:
        print_json({"declarations": asdict(code), "fronts": compared and asdict(compared)})
    else:
        console = tables.console()
        _print_declarations(console, code)
        if pair is not None and compared is not None:
            _print_fronts(console, pair, compared)
        elif FRONT in before.attributes or FRONT in after.attributes:
            tables.say(console, "only one of them has a front, so fronts are not compared")
    return DIFFERENT if code or _differ(compared) else 0


def _workflow(target: str, name: str | None) -> flow.WorkflowOp:
    given = read_workflow(target, name)
    return find_workflow(given.module, given.name)


def _named(workflow: flow.WorkflowOp) -> flow.WorkflowOp:
    """A copy whose calls have names, as exploration gives them: these are no difference."""
    module = workflow.parent_op()
    assert isinstance(module, ModuleOp)
    copy = module.clone()
    FlowNameSites().apply(context(), copy)
    return find_workflow(copy, workflow.sym_name.data)


def _differ(found: Fronts | None) -> bool:
    if found is None:
        return False
    same = all(a == b for moved in found.moved for a, b in moved.estimates.values())
    return bool(found.added or found.removed or found.facts) or not same


def _print_declarations(console: Console, found: Declarations) -> None:
    if not found:
        tables.say(console, "the workflows are the same")
    for title in ("added", "removed", "changed"):
        for name in getattr(found, title):
            tables.say(console, f"{title}: @{name}")


def _print_fronts(console: Console, pair: tuple[Front, Front], found: Fronts) -> None:
    old, new = pair
    for title, front, numbers in (("gone", old, found.removed), ("new", new, found.added)):
        for number in numbers:
            tables.say(console, f"{title}: point {number}: {words(front, front.points[number])}")
    made = tables.table("points that both fronts have", "old", "new", "quantity", "before", "after")
    made.add_column("")
    rows = 0
    for moved in found.moved:
        for quantity, (a, b) in moved.estimates.items():
            if a != b:
                rows += 1
                mark = "intervals apart" if quantity in moved.apart else ""
                cells: tuple[Any, ...] = (a, b)
                made.add_row(
                    str(moved.old),
                    str(moved.new),
                    quantity,
                    *(f"{c.mean:.4g} [{c.low:.4g}, {c.high:.4g}]" for c in cells),
                    mark,
                )
    if rows:
        console.print(made)
    if found.old_beaten or found.new_beaten:
        tables.say(
            console,
            f"{found.old_beaten} of the {len(old.points)} old points are dominated by new ones, "
            f"{found.new_beaten} of the {len(new.points)} new points by old ones",
        )
    for name, (before, after) in found.facts.items():
        tables.say(console, f"made with another {name}: {_short(before)} before, {_short(after)}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
