"""The four workflows of the Aragog paper under load: who comes, and which configurations are right.

Which configurations keep accuracy on a request comes from a difficulty model: a request has a
difficulty, its stages share part of it, and each needs a model that is strong enough. The answer is
kept iff every stage has what it needs, with two exceptions that tie stages to each other: of four
voters one may be too weak, and a last stage done by the reference repairs one earlier stage whose
model was the next weaker one.
Requests that even the reference fails are kept by everything; their share is a setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from flowir.serving.forecast import work_s
from flowir.serving.requests import Choice, ServedWorkflow, Stage
from flowir.serving.sets import ConfigurationSet
from flowir.sim.serving.clusters import ENGINES, INPUT_TOKENS, OUTPUT_TOKENS

Floats = npt.NDArray[np.float64]

USD_PER_ENGINE_S = 4.0 / 3600
"""A replica costs four dollars an hour, whichever model it serves: assumed."""

SIBLINGS_SHARE = 0.7
"""Correlation of the difficulty of two stages of a request: assumed."""


def _workflow(name: str, stages: Sequence[tuple[str, Sequence[str], float]]) -> ServedWorkflow:
    choices = tuple(
        Choice(e.name, OUTPUT_TOKENS, USD_PER_ENGINE_S * work_s(e, INPUT_TOKENS, OUTPUT_TOKENS))
        for e in ENGINES
    )
    return ServedWorkflow(
        name,
        tuple(
            Stage(stage, choices, tuple(after), INPUT_TOKENS, calls)
            for stage, after, calls in stages
        ),
    )


VOTERS = ("v1", "v2", "v3", "v4")
SOLVERS = 4
"""A decomposition has one to so many parts, solved side by side by one choice of model."""

SELF_REFINE = _workflow(
    "self-refine", [("gen", (), 1), ("critic", ("gen",), 1), ("refiner", ("gen", "critic"), 1)]
)
TEXT_TO_SQL = _workflow(
    "text-to-sql",
    [
        ("keyword", (), 1),
        ("column_sel", ("keyword",), 1),
        ("sql_gen", ("column_sel",), 1),
        ("refiner", ("sql_gen",), 1),
    ],
)
VOTING = _workflow("voting", [*((v, (), 1) for v in VOTERS), ("aggregator", VOTERS, 1)])
DECOMPOSITION = _workflow(
    "decomposition",
    [
        ("decomposer", (), 1),
        ("solver", ("decomposer",), (1 + SOLVERS) / 2),
        ("aggregator", ("solver",), 1),
    ],
)
WORKFLOWS = (SELF_REFINE, TEXT_TO_SQL, VOTING, DECOMPOSITION)


@dataclass(frozen=True)
class Settings:
    """What a load is like.

    Attributes:
        workflows: of the mix, in equal shares.
        enough: share of stages for which each model is strong enough; 1 for the reference.
        failed: share of requests that the reference fails, and that everything keeps therefore.
        longer: by which outputs are longer than recorded.
        cautious: share of requests whose set is first that of a harder request (one model
            stronger at each stage), and right once their first stage has ended.
        wrong: share of requests whose set is that of an easier or a harder request for good.
    """

    workflows: tuple[ServedWorkflow, ...] = WORKFLOWS
    enough: tuple[float, float, float] = (0.6, 0.85, 1.0)
    failed: float = 0.15
    longer: float = 1.0
    cautious: float = 0.0
    wrong: float = 0.0


MIX = Settings()
HARD = replace(MIX, enough=(0.35, 0.65, 1.0))


@dataclass(frozen=True, eq=False)
class Arrival:
    """One request, with what only the simulator knows.

    Attributes:
        at: seconds.
        tokens: per stage, (input, output) of each of its calls.
        keeps: the configurations that keep accuracy.
        routed: those it is served with at first.
        revised: those it is served with once its first stage has ended; None for the same.
    """

    at: float
    workflow: ServedWorkflow
    tokens: tuple[tuple[tuple[float, float], ...], ...]
    keeps: ConfigurationSet
    routed: ConfigurationSet
    revised: ConfigurationSet | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """Recorded requests: arrival times in seconds, and tokens read and written."""

    at: Floats
    input_tokens: Floats
    output_tokens: Floats


def azure(folder: Path) -> Trace:
    """Azure 2023 conversations, from the folder of measured data."""
    rows = np.loadtxt(folder / "arrival_traces" / "azure2023_conv.csv", delimiter=",", skiprows=1)
    return Trace(rows[:, 0], rows[:, 1], np.maximum(rows[:, 2], 1.0))


def look_alike(requests: int = 19_366, seed: int = 0) -> Trace:
    """Log-normal tokens with the means and spreads of the Azure trace, evenly spaced in time.

    What stands in for it where it is absent.
    """
    rng = np.random.default_rng([seed, 7])

    def tokens(mean: float, spread: float) -> Floats:
        drawn = rng.lognormal(np.log(mean) - spread**2 / 2, spread, requests)
        return np.maximum(1.0, np.round(drawn))

    return Trace(
        np.linspace(0.0, 3501.7, requests), tokens(INPUT_TOKENS, 0.98), tokens(OUTPUT_TOKENS, 0.85)
    )


def poisson(requests: int, rate: float, rng: np.random.Generator) -> Floats:
    """[requests] arrival times, seconds."""
    return np.cumsum(rng.exponential(1 / rate, requests))


def recorded(trace: Trace, requests: int, rate: float, rng: np.random.Generator) -> Floats:
    """[requests] arrivals of a random stretch of a trace, time scaled to the rate asked for.

    One in `THINNED` requests of the stretch comes, so that it spans minutes of the recording.
    """
    keep = min(len(trace.at), requests * THINNED)
    start = int(rng.integers(0, len(trace.at) - keep + 1))
    chosen = np.sort(rng.choice(keep, requests, replace=False)) + start
    times = trace.at[chosen] - trace.at[chosen[0]]
    return np.asarray(times * (requests / rate) / times[-1])


THINNED = 4
"""One in so many recorded requests arrives."""


def arrivals(
    settings: Settings, times: Floats, trace: Trace, rng: np.random.Generator
) -> list[Arrival]:
    """Requests at the given times, tokens drawn from a trace."""
    return [_arrival(settings, float(at), trace, rng) for at in times]


def _arrival(settings: Settings, at: float, trace: Trace, rng: np.random.Generator) -> Arrival:
    workflow = settings.workflows[int(rng.integers(len(settings.workflows)))]
    tokens = []
    for stage in workflow.stages:
        calls = int(rng.integers(1, SOLVERS + 1)) if stage.calls > 1 else 1
        rows = rng.integers(0, len(trace.at), calls)
        tokens.append(
            tuple(
                (float(trace.input_tokens[row]), float(trace.output_tokens[row]) * settings.longer)
                for row in rows
            )
        )
    _, needs = difficulties(settings, len(workflow.stages), rng)
    keeps = _kept(workflow, needs)
    routed, revised = keeps, None
    kind = rng.random()
    if needs is not None and kind < settings.cautious:
        routed, revised = _kept(workflow, tuple(min(n + 1, 2) for n in needs)), keeps
    elif needs is not None and kind < settings.cautious + settings.wrong:
        step = int(rng.choice([-1, 1]))
        routed = _kept(workflow, tuple(min(max(n + step, 0), 2) for n in needs))
    return Arrival(at, workflow, tuple(tokens), keeps, routed, revised)


def difficulties(
    settings: Settings, stages: int, rng: np.random.Generator
) -> tuple[float, tuple[int, ...] | None]:
    """What the stages of a request share of its difficulty, and the weakest model enough for each.

    None where the reference fails.
    """
    own = rng.standard_normal(stages)
    shared = float(rng.standard_normal())
    score = SIBLINGS_SHARE**0.5 * shared + (1 - SIBLINGS_SHARE) ** 0.5 * own
    failed = rng.random() < settings.failed
    bars = _bars(settings.enough)
    needs = tuple(sum(z > bar for bar in bars) for z in score.tolist())
    return shared, None if failed else needs


@cache
def _bars(enough: tuple[float, ...]) -> tuple[float, ...]:
    """Difficulties up to which each model but the last is enough."""
    return tuple(NormalDist().inv_cdf(share) for share in enough[:-1])


@cache
def _kept(workflow: ServedWorkflow, needs: tuple[int, ...] | None) -> ConfigurationSet:
    """The configurations that keep accuracy."""
    if needs is None:
        return workflow.every()
    rows = product(range(len(ENGINES)), repeat=len(needs))
    return ConfigurationSet.of(workflow.names, [r for r in rows if keeps(workflow, needs, r)])


def keeps(workflow: ServedWorkflow, needs: Sequence[int], row: Iterable[int]) -> bool:
    """Whether a configuration does all that a request needs; see the module."""
    chosen = tuple(row)
    lacks = [max(0, need - choice) for choice, need in zip(chosen, needs, strict=True)]
    weak = sum(lack > 0 for lack in lacks)
    if workflow.name == VOTING.name:
        return lacks[-1] == 0 and weak <= 1
    repairs = chosen[-1] == len(ENGINES) - 1
    return weak == 0 or (repairs and sum(lacks) == 1)
