"""Writes the table of points: what each runs, and what to expect of it."""

from __future__ import annotations

from flowir.backends.asyncio.layout import (
    Expression,
    Group,
    call,
    collection,
    lines,
    prefixed,
)
from flowir.backends.asyncio.literals import docstring, expression, quoted
from flowir.backends.asyncio.program import Program
from flowir.configuration import Configuration
from flowir.profile.prices import Prices
from flowir.search.front import QUANTITY, Estimate

DIGITS = 6
"""Significant digits of estimates in emitted files."""


def written(program: Program, prices: Prices | None) -> dict[str, str]:
    """The class of points, the points, and the prices of the models they use."""
    return {
        "Point": _point_class(program),
        "POINTS": _points(program),
        "PRICES": _prices(program, prices),
    }


def _point_class(program: Program) -> str:
    fields: list[Expression] = ["number: int"]
    for name, labels in program.tree.labels().items():
        kind: Expression = Group("Literal[", tuple(map(quoted, labels)), "]", collection=True)
        if any(name not in point.labels for point in program.points):
            kind = "str | None"
        fields.append(prefixed(f"{program.choices[name]}: ", kind))
    fields.append("configs: Mapping[str, Config]")
    fields += [f"{name}: Estimate | None = None" for name in QUANTITY.values() if program.fields]
    if program.front is not None:
        fields.append("baseline: bool = False")
    return "\n".join(
        [
            "@dataclass(frozen=True)",
            "class Point:",
            *docstring(_point_docstring(program), 1),
            "",
            *(line for item in fields for line in lines(item, 1)),
        ]
    )


def _point_docstring(program: Program) -> str:
    if program.front is None:
        return "One way to run the workflow, and what to expect of it."
    share = f"{program.front.facts.credible:.0%}".replace("%", " %")
    return f"One way to run the workflow, and what to expect of it, with {share} intervals."


def _points(program: Program) -> str:
    rows: list[Expression] = []
    for number, (point, configs) in enumerate(
        zip(program.points, program.configurations(), strict=True)
    ):
        estimates = program.estimates[number]
        today = program.front is not None and number == program.front.baseline
        row: list[Expression] = [str(number)]
        for name, field in program.choices.items():
            label = point.labels.get(name)
            row.append(f"{field}={'None' if label is None else quoted(label)}")
        table = collection(
            [prefixed(f"{quoted(name)}: ", _config(chosen)) for name, chosen in configs.items()],
            "{}",
        )
        row.append(prefixed("configs=", table))
        row += [f"{name}={_estimate(estimates[name])}" for name in program.fields]
        row += ["baseline=True"] * today
        rows.append(Group("Point(", tuple(row), spread=True))
    return "\n".join(lines(Group("POINTS = (", tuple(rows), collection=True), 0))


def _config(chosen: Configuration) -> Group:
    arguments: list[Expression] = [quoted(chosen.model)]
    if chosen.budget is not None:
        arguments.append(prefixed("budget=", expression(chosen.budget)))
    if chosen.params:
        arguments.append(prefixed("params=", expression(dict(chosen.params))))
    return call("Config", *arguments)


def _estimate(estimate: Estimate) -> str:
    """Six digits say more than any estimate knows."""
    numbers = (estimate.mean, estimate.low, estimate.high)
    return f"Estimate({', '.join(repr(float(f'{x:.{DIGITS}g}')) for x in numbers)})"


def _prices(program: Program, prices: Prices | None) -> str:
    if prices is None:
        prices = program.prices
    models = dict.fromkeys(
        chosen.model for point in program.configurations() for chosen in point.values()
    )
    known = {
        model: (price.input_per_mtok, price.output_per_mtok)
        for model in models
        if (price := prices.by_model.get(model)) is not None
    }
    table = prefixed("PRICES: dict[str, tuple[float, float]] = ", expression(known))
    return "\n".join(
        [
            "# US dollars per million input and output tokens, to tell what runs cost.",
            *lines(table, 0),
        ]
    )


def heading(program: Program) -> str:
    """What the numbers of the table are."""
    front = program.front
    if front is None:
        return "What to expect of it, in the mean:"
    facts = front.facts
    queries = "fresh queries" if facts.queries == "population" else "the profiled queries"
    latency = "" if facts.latency == "mean" else f"; latency is the {facts.latency}"
    return f"What to expect on {queries}, in the mean{latency} (POINTS has the intervals):"
