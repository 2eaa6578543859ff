"""Lets a call's result be criticised and mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import ModulePass

from flowir.dialects.flow import AgentOp, CallOp, RefineOp, YieldOp
from flowir.dialects.flow_types import text
from flowir.errors import SearchError
from flowir.passes.widening import ONCE, Variant, Widening, counts, symbol


@dataclass(frozen=True)
class FlowRefine(ModulePass):
    """Every call of an agent, or the call at a site: once, or mended while a critic rejects it.

        %draft = flow.call @coder(%task) at "draft" : (!flow.text) -> !flow.text

    becomes with `agent=coder critic=tests by=fixer max=3`, where @fixer's prompt shows `{task}`,
    `{value}` and `{feedback}`,

        %draft = flow.alternatives "coder refinement" -> !flow.text
          "once" { … }
          "refined up to 3 times" {
            %draft = flow.call @coder(%task) at "draft_refine3_start" : …
            %refined = flow.refine(%value, %feedback) from %draft : !flow.text max 3
                until @tests(%task : !flow.text) at "draft_refine3" {
              %mended = flow.call @fixer(%task, %value, %feedback) at "draft_refine3_body" : …
              flow.yield %mended : !flow.text
            }
            flow.yield %refined : !flow.text
          }

    Attributes:
        critic: who accepts or rejects, a tool that writes nothing or an agent.
        agent: whose calls.
        site: which call.
        by: agent that mends; default the agent itself, in the same decision. Variables of its
            prompt that the called agent's has too are given the same.
        max: how many times at most, one alternative each.
        value: variable of the mending prompt for what is mended; default `value`, or the only
            variable that nothing else fills.
        feedback: variable of the mending prompt for what the critic says.
        context: what the critic is shown before the value; see `flow-cascade`.
        tied: one choice for all calls of a decision; else one each.
        workflow: only there.
    """

    name = "flow-refine"

    critic: str | None = None
    agent: str | None = None
    site: str | None = None
    by: str | None = None
    max: tuple[int, ...] = (3,)
    value: str | None = None
    feedback: str = "feedback"
    context: tuple[str, ...] | None = None
    tied: bool = True
    workflow: str | None = None

    def __post_init__(self) -> None:
        counts(self.name, "max", self.max, least=1)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.critic is None:
            raise SearchError(f"{self.name}: somebody has to reject; give critic=NAME")
        widening = Widening(op, self.name)
        if self.by is not None:
            widening.declared(self.by, AgentOp, "by")
        for call in widening.calls(self.agent, self.site, self.workflow):
            widening.agent_of(call)
            widening.may_vary(call, "refined")
            choice = widening.choice(call, "refinement", self.tied and self.site is None)
            variants = [self._refined(widening, call, self.critic, number) for number in self.max]
            widening.replace(call, choice, ONCE, variants)

    def _refined(self, widening: Widening, call: CallOp, critic: str, number: int) -> Variant:
        stem = f"refine{number}"
        context = widening.context(call, critic, "critic", self.context)
        site = widening.site(call, stem)
        start = widening.copy(call, f"{stem}_start")
        body = Block(arg_types=[call.output.type, text])
        body.args[0].name_hint, body.args[1].name_hint = "value", "feedback"
        mended = self._mending(widening, call, f"{stem}_body", *body.args)
        body.add_ops([mended, YieldOp(mended.output)])
        refined = RefineOp.build(
            operands=[start.output, context],
            result_types=[call.output.type],
            properties={"until": symbol(critic), "bound": IntAttr(number), "site": site},
            regions=[Region(body)],
        )
        refined.output.name_hint = "refined"
        times = "time" if number == 1 else "times"
        return Variant(f"refined up to {number} {times}", [start, refined], refined.output)

    def _mending(
        self, widening: Widening, call: CallOp, suffix: str, value: SSAValue, feedback: SSAValue
    ) -> CallOp:
        """The call that mends `value`."""
        drafter = widening.agent_of(call)
        mender = drafter if self.by is None else widening.symbols[self.by]
        assert isinstance(mender, AgentOp)
        given = dict(zip(drafter.inputs, call.inputs, strict=True))
        given |= {self._value_name(mender, given): value, self.feedback: feedback}
        if mender.output != call.output.type:
            raise self._unfit(mender, f"it gives {mender.output}, not {call.output.type}")
        if unknown := [name for name in mender.inputs if name not in given]:
            raise self._unfit(
                mender,
                f"nothing fills {_braced(unknown)}; @{drafter.sym_name.data} is given "
                f"{_braced(drafter.inputs)}",
            )
        inputs = [given[name] for name in mender.inputs]
        mended = widening.copy(call, suffix, inputs)
        mended.properties.pop("optional", None)
        if mender is not drafter:
            mended.callee = symbol(mender.sym_name.data)
            for name in ("group", "space", "config"):
                mended.properties.pop(name, None)
        mended.output.name_hint = "mended"
        return mended

    def _value_name(self, mender: AgentOp, given: dict[str, SSAValue]) -> str:
        """The variable for what is mended; the one for the feedback is there too."""
        free = [name for name in mender.inputs if name not in given and name != self.feedback]
        name = self.value or ("value" if "value" in mender.inputs or len(free) != 1 else free[0])
        missing = [wanted for wanted in (name, self.feedback) if wanted not in mender.inputs]
        if missing:
            raise self._unfit(
                mender,
                f"its prompt shows {_braced(mender.inputs)}, but not {_braced(missing)}: add what "
                "is missing, or name the variables with value=… and feedback=…",
            )
        return name

    def _unfit(self, mender: AgentOp, why: str) -> SearchError:
        hint = "; or name another agent with by=NAME" if self.by is None else ""
        return SearchError(
            f"{self.name}: @{mender.sym_name.data} cannot mend what is rejected: {why}{hint}"
        )


def _braced(names: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names) or "nothing"
