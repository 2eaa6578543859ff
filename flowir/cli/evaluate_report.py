"""How `flowir evaluate` says what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from flowir.cli.profile_report import say
from flowir.evaluation.comparison import Comparison, Value
from flowir.evaluation.running import Subject
from flowir.evaluation.store import Run, RunStore
from flowir.profiler.data import Record
from flowir.profiler.session import Session
from flowir.search.table import UNITS


def proxy_of(ready: Session) -> str:
    """What stands in for labels where the data have none, in a sentence."""
    return (
        f"the data have no label: what is right was said by the judge {ready.final.name}, which "
        "was shown no right answer; measured accuracy means agreement with it"
    )


def complete(
    subject: Subject, numbers: Sequence[int], records: Sequence[Record], store: RunStore
) -> tuple[dict[int, list[Run]], int]:
    """The judged runs of each point on the queries that all of them have, and how many requests
    of these were cut short."""
    runs: dict[int, list[Run]] = {number: [] for number in numbers}
    for record in records:
        found = [store.runs.get(subject.key(number, record)) for number in numbers]
        done = [run for run in found if run is not None and run.correct is not None]
        if len(done) == len(numbers):
            for number, run in zip(numbers, done, strict=True):
                runs[number].append(run)
    return runs, sum(run.cancelled for some in runs.values() for run in some)


def print_comparison(console: Console, found: Comparison) -> None:
    """Everything, point by point and over all points; first of all what it rests on."""
    if found.proxy:
        say(console, f"warning: {found.proxy}")
    table = Table(box=SIMPLE_HEAD, title=f"{found.workflow}: {found.queries} queries each")
    for name in ("point", "quantity", "predicted", "should measure", "measured"):
        table.add_column(name, no_wrap=True)
    for row in found.rows:
        for number, (name, value) in enumerate(row.values.items()):
            label = f"{row.point} (today)" if row.baseline else str(row.point)
            title = _titled(name, found)
            if name == "latency_s" and found.latency != "mean":
                title += f" {found.latency}"
            table.add_row(label if number == 0 else "", title, *_cells(name, value))
        table.add_section()
    console.print(table)
    over = Table(box=SIMPLE_HEAD, title="over all points")
    for name in ("quantity", "Spearman", "pairs in order", "mean absolute error", "within"):
        over.add_column(name, justify="right", no_wrap=True)
    for name, one in found.agreement.items():
        scale, unit = UNITS[name]
        over.add_row(
            _titled(name, found),
            _share(one.spearman),
            _share(one.pairwise),
            f"{scale * one.mean_absolute_error:.3g} {unit}",
            f"{100 * one.coverage:.0f} %",
        )
    console.print(over)
    say(
        console,
        f"hypervolume: claimed {found.claimed:.3f}, attained {found.attained:.3f}, best of these "
        f"points {found.best:.3f}",
    )
    say(
        console,
        f"expected utility over preferences: {found.utility:.3f} chosen by prediction, "
        f"{found.best_utility:.3f} at best",
    )
    if found.cancelled:
        say(console, f"{found.cancelled} requests were cut short; their cost is not in this")
    for sentence in found.said:
        say(console, f"of the front: {sentence}")


def _titled(name: str, found: Comparison) -> str:
    """The name of a quantity; what was judged by a proxy says so."""
    return "accuracy (by proxy)" if name == "accuracy" and found.proxy else name.split("_")[0]


def _cells(name: str, value: Value) -> tuple[str, str, str]:
    scale, unit = UNITS[name]

    def text(*numbers: float) -> list[str]:
        return [f"{scale * number:.3g}" for number in numbers]

    mean, low, high = text(value.predicted, value.low, value.high)
    from_, to = text(value.predictive_low, value.predictive_high)
    measured, error = text(value.measured, value.error)
    return f"{mean} {unit} [{low}, {high}]", f"{from_} to {to}", f"{measured} ± {error} {unit}"


def _share(value: float | None) -> str:
    return "too few" if value is None else f"{value:.3f}"
