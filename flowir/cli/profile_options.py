"""What the options of `flowir profile` mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowir.configuration import Budget, Configuration
from flowir.errors import ProfileError, ProfilerError
from flowir.profile.calls import Texts
from flowir.profile.cells import parse_budget
from flowir.profile.prices import Prices
from flowir.profiler.lanes import Lane
from flowir.profiler.model_judge import ModelJudge

NOBODY = "none"
"""As the model that makes mistakes: there is none."""


@dataclass(frozen=True)
class Options:
    """The command line, as it was written."""

    workflow: str
    data: str
    endpoint: str | None
    store: str
    name: str | None
    agents: tuple[str, ...]
    models: tuple[str, ...]
    budgets: tuple[str, ...]
    repeats: int
    judges: tuple[str, ...]
    judge_model: str | None
    rubric: str | None
    reference: str | None
    reference_runs: int | None
    mistakes_by: str | None
    datasets: str | None
    allow_writes: bool
    prices: str | None
    concurrency: tuple[str, ...]
    rate: tuple[str, ...]
    max_calls: int | None
    max_dollars: float | None
    max_minutes: float | None
    timeout: float
    retries: int
    texts: Texts
    provider: str | None
    budget_field: str | None
    stream: bool
    adaptive: bool
    tolerance: float
    engine: str
    ray_address: str | None
    ray_workers: int | None
    only_plan: bool


def budgets(given: Sequence[str]) -> tuple[Budget, ...]:
    """Reasoning budgets.

    Raises:
        ProfilerError: one is none.
    """
    try:
        return tuple(dict.fromkeys(map(parse_budget, given)))
    except ValueError as error:
        raise ProfilerError(f"--budgets: {error}") from None


def model(option: str, given: str) -> Configuration:
    """`MODEL`, or `MODEL@BUDGET`.

    Raises:
        ProfilerError: the budget is none.
    """
    name, sign, budget = given.rpartition("@")
    try:
        return Configuration(name, parse_budget(budget)) if sign and name else Configuration(given)
    except ValueError as error:
        raise ProfilerError(f"{option} {given}: {error}") from None


def model_judge(given: str, rubric: str | None) -> ModelJudge:
    """The judge `llm`: `MODEL`, or `MODEL@BUDGET`, by the rubric of a file.

    Raises:
        ProfilerError: the budget is none, or the file cannot be read.
    """
    chosen = model("--judge-model", given)
    if rubric is None:
        return ModelJudge(chosen)
    try:
        return ModelJudge(chosen, Path(rubric).read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ProfilerError(f"--rubric {rubric}: cannot be read ({error})") from None


def assignments(option: str, given: Iterable[str]) -> list[tuple[str, str]]:
    """`NAME=VALUE`, or a value for all: the name is empty then.

    Raises:
        ProfilerError: something else.
    """
    found = []
    for text in given:
        name, sign, value = text.rpartition("=")
        if (sign and not name) or not value:
            raise ProfilerError(f"{option} {text}: write NAME=VALUE, or a value for all")
        found.append((name.removeprefix("@"), value))
    return found


def lanes(models: Sequence[str], options: Options) -> dict[str, Lane]:
    """A lane for each model, with its concurrency and rate.

    Raises:
        ProfilerError: one for a model that nobody asks, or no number above 0.
    """
    concurrency = _numbers("--concurrency", options.concurrency, models, 8.0)
    rates = _numbers("--rate", options.rate, models, math.inf)
    return {
        m: Lane(m, max(1, int(concurrency[m])), None if rates[m] == math.inf else rates[m])
        for m in models
    }


def _numbers(
    option: str, given: Iterable[str], models: Sequence[str], otherwise: float
) -> dict[str, float]:
    """A number per model, from `N` for all and `MODEL=N` for one."""
    found = dict.fromkeys(models, otherwise)
    special: dict[str, float] = {}
    for name, text in assignments(option, given):
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 < number < math.inf:
            raise ProfilerError(f"{option} {text}: give a number above 0")
        if name and name not in found:
            known = ", ".join(models)
            raise ProfilerError(f"{option} {name}=…: nobody asks it; asked are {known}")
        if name:
            special[name] = number
        else:
            found = dict.fromkeys(models, number)
    return found | special


def check_prices(models: Sequence[str], prices: Prices, max_dollars: float | None) -> None:
    """Refuse a limit in dollars that could not be kept.

    Raises:
        ProfileError: names the models without a price.
    """
    lacking = [name for name in models if name not in prices]
    if max_dollars is not None and lacking:
        raise ProfileError(
            f"--max-dollars needs the price of every model; there is none for "
            f"{', '.join(lacking)}: give --prices FILE with them"
        )
