"""How `flowir profile` says what it will do, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from flowir.profile.calls import PROFILE
from flowir.profile.observations import VERDICTS
from flowir.profiler.adaptive.chooser import Adaptive
from flowir.profiler.budgets import ignored_budgets
from flowir.profiler.caller import Caller
from flowir.profiler.engine import Outcome
from flowir.profiler.induction import Induced
from flowir.profiler.limits import dollars
from flowir.profiler.planning import Planned
from flowir.profiler.requests import Example
from flowir.profiler.tracing import Traces


def say(console: Console, text: str) -> None:
    """One line, as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def plan_table(rows: Sequence[Planned]) -> Table:
    """What is still to be made, by model."""
    table = Table(box=SIMPLE_HEAD, title="still to be made", title_justify="left")
    table.add_column("model", overflow="fold")
    for name in ("calls", "stored", "input tokens", "output tokens", "dollars", "minutes"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    if len(rows) > 1:
        costs = [row.cost_usd for row in rows]
        table.add_row(
            *_cells(
                Planned(
                    "all",
                    sum(row.calls for row in rows),
                    sum(row.stored for row in rows),
                    sum(row.input_tokens for row in rows),
                    sum(row.output_tokens for row in rows),
                    None if None in costs else sum(cost or 0.0 for cost in costs),
                    max(row.minutes for row in rows),  # Models are asked at the same time.
                )
            )
        )
    return table


def _cells(row: Planned) -> tuple[str, ...]:
    return (
        row.model,
        str(row.calls),
        str(row.stored),
        f"{row.input_tokens:.0f}",
        f"{row.output_tokens:.0f}",
        "no price" if row.cost_usd is None else f"{row.cost_usd:.4g}",
        f"{row.minutes:.2g}",
    )


def tell_of_induction(
    console: Console,
    traces: Traces,
    induced: Induced,
    examples: Mapping[str, Sequence[Example]],
) -> None:
    """Approval rates, and what the data sets rest on."""
    table = Table(
        box=SIMPLE_HEAD, title="data sets from runs of the workflow", title_justify="left"
    )
    table.add_column("sub-agent")
    for name in ("calls", "approved", "rate", "examples", "of wrong inputs"):
        table.add_column(name, justify="right")
    for agent, approval in induced.approvals.items():
        rate = f"{approval.approved / approval.calls:.0%}" if approval.calls else "-"
        some = examples.get(agent, ())
        wrong = sum(not one.input_correct for one in some)
        cells = (approval.calls, approval.approved, rate, len(some), wrong)
        table.add_row(agent, *map(str, cells))
    console.print(table)
    for sentence in _of_tools(induced):
        say(console, sentence)
    share = f"{induced.right} of {induced.runs} runs of the reference ended right"
    say(
        console,
        f"{share}; inner sub-agents are compared with its answers in those, so queries on "
        "which it never was right say nothing about them",
    )
    proxies = sorted({proxy for _, proxy in induced.labels.values() if proxy})
    if proxies:
        say(
            console,
            f"warning: no labels: a proxy stands in for them, {', '.join(proxies)}; "
            "accuracy means agreement with it",
        )
    if induced.undecided:
        say(
            console,
            f"warning: {induced.undecided} queries are left out: no majority of the "
            "reference's answers agrees",
        )
    for reason, times in traces.reasons.most_common(3):
        say(console, f"warning: {times} runs failed and are left out: {reason}")


def _of_tools(induced: Induced) -> list[str]:
    """What each tool that judges said of right and of wrong values."""
    found: dict[str, dict[bool, list[bool]]] = {}
    for call in induced.verdicts:
        assert call.judgement is not None
        said = found.setdefault(call.key.agent, {True: [], False: []})
        said[call.input_correct].append(call.judgement.answer == VERDICTS[0])
    return [
        f"tool {name} accepted {sum(said[True])} of {len(said[True])} right and "
        f"{sum(said[False])} of {len(said[False])} wrong values"
        for name, said in found.items()
    ]


def tell_of_front(console: Console, chooser: Adaptive, made: int, of: int) -> None:
    """How well the front is known, and by how many calls."""
    if not chooser.known:
        say(console, "the front cannot be estimated yet")
        return
    say(
        console,
        f"front known to {chooser.regret:.2%} of the hypervolume that all calls would give, "
        f"expected of a sketch of the cost model, after {made} of {of} calls",
    )


def report(
    console: Console, caller: Caller, outcome: Outcome, wanted: int, missing: int, more: str = ""
) -> None:
    """What was measured and what was not, in words."""
    limits, store = caller.limits, caller.store
    profiled = [call for call in store.calls.values() if call.key.purpose == PROFILE]
    say(
        console,
        f"{outcome.answered} calls made, {len(store.calls)} in {store.path}, "
        f"{limits.tokens} tokens, {dollars(limits)}",
    )
    for lane in caller.lanes.values():
        if lane.down:
            say(console, f"error: {lane.model} is not asked any more: {lane.down}")
    if outcome.failed:
        say(
            console,
            f"{outcome.failed} requests failed for reasons of the environment: they are "
            "missing, not wrong, and are made when the same command runs again",
        )
    if outcome.unjudged:
        say(
            console,
            f"warning: {outcome.unjudged} answers could not be judged "
            f"({outcome.first_unjudged}); they say nothing about accuracy, and are judged when the "
            "same command runs again",
        )
    for sentence in ignored_budgets(profiled):
        say(console, f"warning: {sentence}")
    if missing or more:
        why = f" (limit reached: {limits.reached})" if limits.reached else ""
        what = more or f"{missing} of {wanted} calls"
        say(
            console,
            f"{what} are still to be made{why}; the same command goes on where this one stopped",
        )
    else:
        say(console, f"complete; flowir fit {store.path} shows what was learned")
