"""Lets a call be answered by a vote of several."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from flowir.dialects.flow import CallOp, JoinMode, JoinModeAttr, JoinOp, ToolOp
from flowir.dialects.flow_checks import fail
from flowir.passes.widening import ONCE, Variant, Widening, counts, symbol


@dataclass(frozen=True)
class FlowSelfConsistency(ModulePass):
    """Every call of an agent, or the call at a site: once, or the plurality of several.

        %draft = flow.call @coder(%task) at "draft" : (!flow.text) -> !flow.text

    becomes with `agent=coder n=3`

        %draft = flow.alternatives "coder votes" -> !flow.text
          "once" {
            %draft = flow.call @coder(%task) at "draft" : (!flow.text) -> !flow.text
            flow.yield %draft : !flow.text
          }
          "vote of 3" {
            %a = flow.call @coder(%task) at "draft_vote3_1" : (!flow.text) -> !flow.text
            …
            %vote = flow.join vote(%a, %b, %c) : (!flow.text, !flow.text, !flow.text) -> !flow.text
            flow.yield %vote : !flow.text
          }

    The calls of a vote share the configuration of the call they repeat.

    Attributes:
        agent: whose calls.
        site: which call, of an agent or of a workflow that writes nothing.
        n: how many calls vote, one alternative each.
        key: tool that makes the label that is counted, where answers differ by their wording.
        tied: one choice for all calls of a decision, as they share a configuration; else one each.
        workflow: only there.
    """

    name = "flow-self-consistency"

    agent: str | None = None
    site: str | None = None
    n: tuple[int, ...] = (3, 5)
    key: str | None = None
    tied: bool = True
    workflow: str | None = None

    def __post_init__(self) -> None:
        counts(self.name, "n", self.n, least=2)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        widening = Widening(op, self.name)
        if self.key is not None:
            widening.tool(self.key, "key")
        for call in widening.calls(self.agent, self.site, self.workflow):
            if isinstance(widening.symbols[call.callee.root_reference.data], ToolOp):
                raise fail(call, "a tool asked again answers the same; vote over agents' answers")
            widening.may_vary(call, "repeated")
            choice = widening.choice(call, "votes", self.tied and self.site is None)
            votes = [self._vote(widening, call, number) for number in self.n]
            widening.replace(call, choice, ONCE, votes)

    def _vote(self, widening: Widening, call: CallOp, number: int) -> Variant:
        ballots = [widening.copy(call, f"vote{number}_{k}") for k in range(1, number + 1)]
        vote = JoinOp.build(
            operands=[[ballot.output for ballot in ballots], []],
            result_types=[call.output.type],
            properties={
                "mode": JoinModeAttr(JoinMode.VOTE),
                **({} if self.key is None else {"key": symbol(self.key)}),
            },
        )
        vote.output.name_hint = "vote"
        ops: list[Operation] = [*ballots, vote]
        return Variant(f"vote of {number}", ops, vote.output)
