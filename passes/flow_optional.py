"""Lets a step be left out where its reader can do without it."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue, Use
from xdsl.passes import ModulePass

from flowir.dialects.flow import CallOp, ReturnOp
from flowir.dialects.flow_checks import describe, fail
from flowir.errors import SearchError
from flowir.passes.widening import KEPT, Variant, Widening

SKIPPED = "skipped"


@dataclass(frozen=True)
class FlowOptional(ModulePass):
    """The call at a site: kept, or skipped, and its operand of the same type passed on.

        %formatted = flow.call @formatter(%draft) at "format" : (!flow.text) -> !flow.text
        flow.return optional %formatted : !flow.text

    becomes with `site=format`

        %formatted = flow.alternatives "format optional" -> !flow.text
          "kept" {
            %formatted = flow.call @formatter(%draft) at "format" : (!flow.text) -> !flow.text
            flow.yield %formatted : !flow.text
          }
          "skipped" {
            flow.yield %draft : !flow.text
          }
        flow.return optional %formatted : !flow.text

    Only where everything that reads the result marks it `optional`.

    Attributes:
        site: which call; one that writes is never skipped.
        through: index of the operand passed on, where several have the type of the result.
        workflow: where the site is, if several workflows have it.
    """

    name = "flow-optional"

    site: str | None = None
    through: int | None = None
    workflow: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.site is None:
            raise SearchError(f"{self.name}: nothing says what may be skipped; give site=NAME")
        widening = Widening(op, self.name)
        (call,) = widening.calls(None, self.site, self.workflow)
        choice = widening.choice(call, "optional", tied=False)
        widening.may_vary(call, "skipped")
        _readers_do_without(call)
        widening.replace(call, choice, KEPT, [Variant(SKIPPED, [], self._passed(call))])

    def _passed(self, call: CallOp) -> SSAValue:
        """The operand that takes the place of the result."""
        alike = [i for i, value in enumerate(call.inputs) if value.type == call.output.type]
        if not alike:
            raise fail(call, f"no operand is {call.output.type}, so nothing can take its place")
        if self.through is None and len(alike) > 1:
            raise fail(
                call,
                f"operands {', '.join(map(str, alike))} could take its place; "
                "say which with through=N",
            )
        index = alike[0] if self.through is None else self.through
        if index not in alike:
            raise fail(
                call,
                f"through={index} is no operand of type {call.output.type}; "
                f"there are {', '.join(map(str, alike))}",
            )
        return call.inputs[index]


def _readers_do_without(call: CallOp) -> None:
    """Check that there are readers, and that all of them mark the result as optional."""
    uses = list(call.output.uses)
    if not uses:
        raise fail(call, "nothing reads its result; run dce to drop it")
    for use in uses:
        if not _does_without(use):
            raise fail(
                call,
                f"{describe(use.operation)} reads its result and does not mark it; write "
                "`optional` before that operand of a call or of flow.return if it can do without",
            )


def _does_without(use: Use) -> bool:
    match use.operation:
        case CallOp() as reader:
            return use.index in reader.optional_inputs
        case ReturnOp() as end:
            return end.optional is not None
        case _:
            return False
