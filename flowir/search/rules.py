"""What a user allows, locks and forbids, in words, against what a workflow has to choose.

A rule is `AXIS: VALUE | VALUE`. An axis is an agent (all its decisions), a decision (`agent/group`;
`agent/` for the ordinary calls alone) or the name of alternatives. A value is a label, or a pattern
of configurations: `MODEL`, `MODEL@BUDGET`, `MODEL@BUDGET?NAME=VALUE,NAME=VALUE`, with `*` for any
model. A forbidden combination is several such rules with ` & ` between them: all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Decision, Workflow
from flowir.configuration import Configuration
from flowir.errors import SearchError

Place = tuple[Literal["decision", "structure"], int]
"""One decision or structural choice, by its number."""


@dataclass(frozen=True)
class Combination:
    """What may not be chosen all at once.

    Attributes:
        text: the rule, as the user wrote it.
        terms: for each place, the indices of its configurations or labels that are meant. A place
            that a point does not reach has none of them.
    """

    text: str
    terms: tuple[tuple[Place, frozenset[int]], ...]


@dataclass(frozen=True)
class Rules:
    """A workflow narrowed by its allow-lists and locks.

    Attributes:
        workflow: with the configurations left; today's stays, closed, where it is not one of them.
        kept: for each decision, the indices of these configurations in the workflow before.
        forbidden: what may not be chosen at once, in indices of the narrowed workflow.
    """

    workflow: Workflow
    kept: tuple[tuple[int, ...], ...]
    forbidden: tuple[Combination, ...]

    def scenarios(self, scenarios: Scenarios) -> Scenarios:
        """Scenarios of the workflow before, for the narrowed one."""
        calls = tuple(map(rows_of, scenarios.calls, self.kept))
        return replace(scenarios, calls=calls)


def narrowed(
    workflow: Workflow, allow: Sequence[str], lock: Sequence[str], forbid: Sequence[str]
) -> Rules:
    """The workflow under its rules.

    Raises:
        SearchError: a rule names what there is not, leaves nothing, or contradicts another one.
    """
    allowed: dict[Place, tuple[frozenset[int], tuple[str, ...]]] = {}
    for option, rules in (("allow", allow), ("lock", lock)):
        for rule in rules:
            text = f'{option}="{rule}"'
            for place, wanted in _terms(workflow, rule, text):
                if option == "lock":
                    _require_one(workflow, place, wanted, text)
                before, texts = allowed.get(place, (wanted, ()))
                if not before & wanted:
                    raise SearchError(
                        f"{text}: nothing of it is left by {' and '.join(texts)}; "
                        f"{_named(workflow, place)} would have nothing to choose"
                    )
                allowed[place] = (before & wanted, (*texts, text))
    pairs = [_narrowed(d, allowed.get(("decision", i))) for i, d in enumerate(workflow.decisions)]
    small = replace(workflow, decisions=tuple(decision for decision, _ in pairs))
    kept = tuple(indices for _, indices in pairs)
    forbidden = [
        Combination(f"forbid={rule!r}".replace("'", '"'), _combined(workflow, rule, kept))
        for rule in forbid
    ]
    for place, (wanted, texts) in allowed.items():
        kind, number = place
        if kind == "structure":
            others = frozenset(range(len(workflow.structures[number].labels))) - wanted
            if others:
                forbidden.append(Combination(" and ".join(texts), ((place, others),)))
    return Rules(small, kept, tuple(c for c in forbidden if all(which for _, which in c.terms)))


def _narrowed(
    decision: Decision, allowed: tuple[frozenset[int], tuple[str, ...]] | None
) -> tuple[Decision, tuple[int, ...]]:
    """A decision with the configurations left, and their numbers before."""
    if allowed is None:
        return decision, tuple(range(len(decision.configurations)))
    kept = [index for index in decision.choices if index in allowed[0]]
    today = decision.baseline
    closed = today is not None and today not in kept
    if closed and today is not None:
        kept.append(today)
    return (
        replace(
            decision,
            configurations=tuple(decision.configurations[index] for index in kept),
            baseline=None if today is None else kept.index(today),
            closed=int(closed),
        ),
        tuple(kept),
    )


def _combined(
    workflow: Workflow, rule: str, kept: Sequence[Sequence[int]]
) -> tuple[tuple[Place, frozenset[int]], ...]:
    """The terms of a forbidden combination, in indices of what is kept."""
    text = f'forbid="{rule}"'
    found: dict[Place, frozenset[int]] = {}
    for part in rule.split(" & "):
        axis, places = _axis(workflow, part, text)
        if len(places) > 1:
            decisions = ", ".join(_written(workflow, place) for place in places)
            raise SearchError(f"{text}: {axis} has several decisions; name one of {decisions}")
        for place, wanted in _terms(workflow, part, text):
            found[place] = found.get(place, wanted) & wanted
    return tuple(
        (place, _renumbered(wanted, kept[place[1]]) if place[0] == "decision" else wanted)
        for place, wanted in found.items()
    )


def _renumbered(wanted: frozenset[int], kept: Sequence[int]) -> frozenset[int]:
    return frozenset(new for new, old in enumerate(kept) if old in wanted)


def _terms(workflow: Workflow, rule: str, text: str) -> list[tuple[Place, frozenset[int]]]:
    """Every place that a rule names, with what it says of it."""
    axis, places = _axis(workflow, rule, text)
    values = [value.strip() for value in rule.strip()[len(axis) + 1 :].split(" | ")]
    return [(place, _matching(workflow, place, values, text)) for place in places]


def _axis(workflow: Workflow, rule: str, text: str) -> tuple[str, list[Place]]:
    """The axis that a rule begins with, and the places meant by it."""
    axes = _axes(workflow)
    fitting = [name for name in axes if rule.strip().startswith(f"{name}:")]
    if not fitting:
        raise SearchError(
            f"{text}: `AXIS: VALUE | VALUE` is meant, where AXIS is one of "
            f"{', '.join(dict.fromkeys(name.rstrip('/') for name in axes))}"
        )
    axis = max(fitting, key=len)
    return axis, axes[axis]


def _axes(workflow: Workflow) -> dict[str, list[Place]]:
    """What a rule may name, and the places that are meant by it."""
    axes: dict[str, list[Place]] = {}
    for number, decision in enumerate(workflow.decisions):
        place: Place = ("decision", number)
        axes.setdefault(decision.agent, []).append(place)
        axes[f"{decision.agent}/{decision.group}"] = [place]
    for number, structure in enumerate(workflow.structures):
        axes.setdefault(structure.name, []).append(("structure", number))
    return axes


def _matching(workflow: Workflow, place: Place, values: Sequence[str], text: str) -> frozenset[int]:
    """Indices of the configurations or labels that some value names; each must name one."""
    kind, number = place
    if not all(values):
        raise SearchError(
            f"{text}: a value is missing; `AXIS: VALUE | VALUE` is meant, where VALUE is one of "
            f"{', '.join(_values(workflow, place))}"
        )
    if kind == "structure":
        labels = workflow.structures[number].labels
        unknown = [value for value in values if value not in labels]
        if unknown:
            raise SearchError(
                f'{text}: alternatives "{workflow.structures[number].name}" have no label '
                f"{unknown[0]!r}; they have {', '.join(labels)}"
            )
        return frozenset(labels.index(value) for value in values)
    decision = workflow.decisions[number]
    found: set[int] = set()
    for value in values:
        named = {i for i in decision.choices if _matches(decision.configurations[i], value)}
        if not named:
            raise SearchError(
                f"{text}: {value} leaves nothing of the space of {decision}; "
                f"it has {', '.join(_values(workflow, place))}"
            )
        found |= named
    return frozenset(found)


def _values(workflow: Workflow, place: Place) -> tuple[str, ...]:
    """What a rule may name of a place."""
    kind, number = place
    if kind == "structure":
        return workflow.structures[number].labels
    decision = workflow.decisions[number]
    return tuple(dict.fromkeys(_pattern(decision.configurations[i]) for i in decision.choices))


def _matches(configuration: Configuration, pattern: str) -> bool:
    named, _, params = pattern.partition("?")
    model, at, budget = named.rpartition("@") if "@" in named else (named, "", "")
    known = {name: str(value) for name, value in configuration.params}
    wanted = dict(param.partition("=")[::2] for param in params.split(",") if param)
    return (
        model in ("*", configuration.model)
        and (
            not at or budget == ("" if configuration.budget is None else str(configuration.budget))
        )
        and all(known.get(name) == value for name, value in wanted.items())
    )


def _pattern(configuration: Configuration) -> str:
    """The pattern that names one configuration."""
    budget = "" if configuration.budget is None else f"@{configuration.budget}"
    params = ",".join(f"{name}={value}" for name, value in configuration.params)
    return f"{configuration.model}{budget}{'?' if params else ''}{params}"


def _require_one(workflow: Workflow, place: Place, wanted: frozenset[int], text: str) -> None:
    if len(wanted) == 1:
        return
    kind, number = place
    names = (
        workflow.structures[number].labels
        if kind == "structure"
        else [_pattern(each) for each in workflow.decisions[number].configurations]
    )
    meant = ", ".join(names[index] for index in sorted(wanted))
    raise SearchError(
        f"{text}: {len(wanted)} are meant for {_named(workflow, place)} ({meant}); "
        "lock one of them, or use allow"
    )


def _named(workflow: Workflow, place: Place) -> str:
    kind, number = place
    if kind == "structure":
        return f'alternatives "{workflow.structures[number].name}"'
    return str(workflow.decisions[number])


def _written(workflow: Workflow, place: Place) -> str:
    """The axis that names one place alone."""
    kind, number = place
    decision = workflow.decisions[number]
    return f"{decision.agent}/{decision.group}" if kind == "decision" else _named(workflow, place)


def rows_of(call: CallModel, kept: tuple[int, ...]) -> CallModel:
    """A call's configurations of those numbers."""
    if kept == tuple(range(len(call.success))):
        return call
    rows = list(kept)
    tables = {
        name: table[rows]
        for name in (
            "success",
            "log_latency",
            "latency_scale",
            "cost",
            "recovery",
            "wrong_agreement",
            "output_tokens",
            "input_price",
            "accept_right",
            "accept_wrong",
        )
        if (table := getattr(call, name)) is not None
    }
    labels = {label: table[rows] for label, table in call.labels.items()}
    return replace(call, **tables, labels=labels)
