"""Lets a call escalate: cheap first, stronger where a checker rejects."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Region
from xdsl.passes import ModulePass

from flowir.dialects.flow import CallOp, FallbackOp, YieldOp
from flowir.dialects.flow_checks import fail
from flowir.errors import SearchError
from flowir.passes.widening import (
    ONCE,
    Variant,
    Widening,
    counts,
    group_of,
    site_of,
    symbol,
    workflow_of,
)

ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip


@dataclass(frozen=True)
class FlowCascade(ModulePass):
    """Every call of an agent, or the call at a site: once, or tiers until a checker accepts.

        %draft = flow.call @coder(%task) at "draft" : (!flow.text) -> !flow.text

    becomes with `agent=coder tiers=2 until=tests`

        %draft = flow.alternatives "coder cascade" -> !flow.text
          "once" { … }
          "cascade of 2" {
            %kept = flow.fallback until @tests(%task : !flow.text) at "draft_cascade2"
                -> !flow.text {
              %draft = flow.call @coder(%task) at "draft_cascade2_first" as "first" : …
              flow.yield %draft : !flow.text
            } else {
              %draft = flow.call @coder(%task) at "draft_cascade2_second" as "second" : …
              flow.yield %draft : !flow.text
            }
            flow.yield %kept : !flow.text
          }

    Every tier is a decision group, shared by the cascades of all lengths, and so chooses its own
    configuration.

    Attributes:
        until: the checker, a tool that writes nothing or an agent.
        agent: whose calls.
        site: which call.
        tiers: how many tiers, one alternative each.
        context: what the checker is shown before the value, as variables of the called agent's
            prompt; `none` for nothing. By default a tool is shown all that the call is given, an
            agent what its prompt names.
        tied: one choice, and one configuration per tier, for all calls of a decision; else per
            call.
        workflow: only there.
    """

    name = "flow-cascade"

    until: str | None = None
    agent: str | None = None
    site: str | None = None
    tiers: tuple[int, ...] = (2, 3)
    context: tuple[str, ...] | None = None
    tied: bool = True
    workflow: str | None = None

    def __post_init__(self) -> None:
        counts(self.name, "tiers", self.tiers, least=2)
        if max(self.tiers) > len(ORDINALS):
            raise SearchError(f"{self.name}: more than {len(ORDINALS)} tiers; give fewer")

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.until is None:
            raise SearchError(f"{self.name}: a cascade needs a checker; give until=NAME")
        widening = Widening(op, self.name)
        calls = widening.calls(self.agent, self.site, self.workflow)
        tied = self.tied and self.site is None
        groups = _Groups(widening, max(self.tiers))
        for call in calls:
            widening.agent_of(call)
            widening.may_vary(call, "repeated")
            if call.config is not None:
                raise fail(
                    call,
                    "its `config` is chosen, so tiers could not differ; remove it, or widen "
                    "before flow-select",
                )
            choice = widening.choice(call, "cascade", tied)
            names = groups.of(call, group_of(call) if tied else site_of(call))
            cascades = [
                _cascade(widening, call, self.until, self.context, names[:number])
                for number in self.tiers
            ]
            widening.replace(call, choice, ONCE, cascades)


def _cascade(
    widening: Widening,
    call: CallOp,
    until: str,
    context: tuple[str, ...] | None,
    groups: tuple[str, ...],
) -> Variant:
    stem = f"cascade{len(groups)}"
    site = widening.site(call, stem)
    tiers: list[Region] = []
    for ordinal, group in zip(ORDINALS, groups, strict=False):
        attempt = widening.copy(call, f"{stem}_{ordinal}")
        attempt.properties["group"] = StringAttr(group)
        tiers.append(Region(Block([attempt, YieldOp(attempt.output)])))
    kept = FallbackOp.build(
        operands=[widening.context(call, until, "until", context)],
        result_types=[call.output.type],
        properties={"until": symbol(until), "site": site},
        regions=[tiers],
    )
    kept.output.name_hint = "kept"
    return Variant(f"cascade of {len(groups)}", [kept], kept.output)


@dataclass
class _Groups:
    """Names the tiers' decision groups, the same for calls that are tied."""

    widening: Widening
    tiers: int
    _made: dict[tuple[object, str, str], tuple[str, ...]] = field(default_factory=dict)

    def of(self, call: CallOp, owner: str) -> tuple[str, ...]:
        """`first`, `second`, …, or `owner.first`, …; numbered where a group is there already."""
        key = (workflow_of(call), call.callee.root_reference.data, owner)
        if key not in self._made:
            self._made[key] = tuple(
                self.widening.group(call, ".".join(filter(None, (owner, ordinal))))
                for ordinal in ORDINALS[: self.tiers]
            )
        return self._made[key]
