"""What stands in the boxes of a drawing, as plain lines; each language escapes them its own way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, StringAttr
from xdsl.ir import Operation

from flowir.calculus.from_ir import configuration
from flowir.dialects import flow
from flowir.dialects.dse import CHOICES, ESTIMATE, FRONT, ConfigAttr, EstimateAttr, FrontAttr
from flowir.dialects.flow_checks import module_symbols

WIDTH = 48
"""Characters of a line; a longer one is cut."""

Called = Literal["agent", "tool", "workflow", "join"]


def made_text(op: Operation, site: str) -> tuple[Called, tuple[str, ...], str]:
    """The shape of a call or join, its lines, and what hovering tells."""
    if isinstance(op, flow.JoinOp) and op.by is None:
        key = () if op.key is None else (f"by {op.key.root_reference.data}",)
        return "join", (op.mode.data, *key, *estimate_text(op)), ""
    callee = flow.called_symbol(op)
    if callee is None:
        return "join", (op.name,), ""
    target = (module_symbols(op) or {}).get(callee)
    lines, hint = called_text(op)
    own = (f"{op.mode.data} by {callee}",) if isinstance(op, flow.JoinOp) else lines[:1]
    name = () if site in ("", callee) else (site,)
    shape: Called = "agent"
    if isinstance(target, flow.ToolOp | flow.WorkflowOp):
        shape = "tool" if isinstance(target, flow.ToolOp) else "workflow"
    return shape, (*name, *own, *lines[1:], *estimate_text(op)), hint


def called_text(op: Operation) -> tuple[tuple[str, ...], str]:
    """Who is called, in which group and on which configuration; the prompt, for hovering."""
    callee = flow.called_symbol(op) or op.name
    target = (module_symbols(op) or {}).get(callee)
    lines = [callee]
    if isinstance(group := op.properties.get("group"), StringAttr):
        lines.append(f"group {group.data}")
    if isinstance(chosen := op.properties.get("config"), ConfigAttr):
        lines.append(str(configuration(chosen)))
    hint = target.prompt.data if isinstance(target, flow.AgentOp) else ""
    return tuple(lines), hint


def estimate_text(op: Operation) -> Iterator[str]:
    """What a selected point is expected to do here, in one line."""
    found = op.attributes.get(ESTIMATE)
    if not isinstance(found, DictionaryAttr):
        return
    means = {n: e.mean.data for n, e in found.data.items() if isinstance(e, EstimateAttr)}
    words = []
    if "accuracy" in means:
        words.append(f"{100 * means['accuracy']:.1f} % right")
    if "latency_s" in means:
        words.append(f"{means['latency_s']:.3g} s")
    if "cost_usd" in means:
        words.append(f"${means['cost_usd']:.3g}")
    if words:
        yield ", ".join(words)


def points_text(op: Operation, label: str | None = None) -> Iterator[str]:
    """How many points a front has; or which of them choose a label of an alternatives."""
    front = op.attributes.get(FRONT)
    if isinstance(front, FrontAttr):
        yield f"{len(front.points)} points"
    choices = op.attributes.get(CHOICES)
    if label is not None and isinstance(choices, ArrayAttr):
        chosen = [str(i) for i, c in enumerate(choices) if c == StringAttr(label)]
        stem = "point" if len(chosen) == 1 else "points"
        yield f"{stem} {', '.join(chosen)}" if chosen else "no point"


def cut(text: str) -> str:
    """At most WIDTH characters on one line, with what cannot be shown made visible."""
    words = " ".join(text.split())
    shown = "".join(c if c.isprintable() else "�" for c in words)
    return shown if len(shown) <= WIDTH else shown[: WIDTH - 1] + "…"
