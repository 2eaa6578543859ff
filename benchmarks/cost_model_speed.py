"""Seconds and memory of a fit, and what the methods of inference say of the same observations.

    python -m benchmarks.cost_model_speed ROWS
    python -m benchmarks.cost_model_speed wide

prints seconds, peak gigabytes and seconds to load of one fit: of so many generated observations, or
of the 4,800 of the math example (five agents of twenty settings, 120 series).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import cost_model_data as measured
from benchmarks.cost_model_report import Report
from flowir.configuration import Configuration
from flowir.cost import CostModel, FitOptions, fit, load, save
from flowir.cost.options import Method
from flowir.cost.posterior import conditional_mean
from flowir.profile import Observation, Observations, observations_of, read_observations

Floats = npt.NDArray[np.float64]


def speed(report: Report, quick: bool) -> None:
    """Time and peak memory of a fit in a process of its own, imports included."""
    asked: tuple[tuple[str, str, float | None], ...] = (
        ("5000", "5000 observations", 20.0),
        ("wide", "4800 observations of 100 configurations", None),
        ("50000", "50000 observations", 90.0),
    )
    for which, name, seconds in asked[:1] if quick else asked:
        command = [sys.executable, "-m", "benchmarks.cost_model_speed", which]
        out = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
        ).stdout.split()
        taken, processor, peak, loading = (float(word) for word in out)
        note = f"of processor time; {taken:.1f} s went by"
        report.add(f"fit of {name}", processor, "s", seconds, simulated=True, note=note)
        report.add(f"peak memory of it, {name}", peak, "GB", 1.5, simulated=True)
        report.add(f"loading it from the cache, {name}", loading, "s", 0.2, simulated=True)


def time_a_fit(which: str) -> None:
    """Prints seconds, processor seconds, peak gigabytes and seconds to load."""
    if which == "wide":
        examples = Path(__file__).parents[1] / "examples" / "flowcompile"
        observations = read_observations(examples / "math.synthetic.csv")
    else:
        observations = generated(int(which))
    start, processor = time.perf_counter(), time.process_time()
    model = fit(observations)
    taken, processor = time.perf_counter() - start, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "model.npz")
        start = time.perf_counter()
        load(Path(folder) / "model.npz")
    print(taken, processor, peak, time.perf_counter() - start)


def generated(rows: int) -> Observations:
    """Ten configurations, five calls of each on a query."""
    rng = np.random.default_rng(0)
    arms, samples = 10, 5
    return observations_of(
        Observation(
            "coder",
            Configuration(f"model{a % 5}", 256 * (a // 5 + 1)),
            f"q{q}",
            str(s),
            correct=float(rng.random() < 1 / (1 + np.exp(-difficulty - a / 5))),
            latency_s=float(np.exp(0.4 * rng.standard_normal())),
            input_tokens=200 + q % 50,
            output_tokens=float(np.exp(5 + 0.5 * rng.standard_normal())),
        )
        for q in range(rows // (arms * samples))
        for difficulty in [2 * rng.standard_normal()]
        for a in range(arms)
        for s in range(samples)
    )


def inference(data: Path, seed: int) -> None:
    """The same posterior of success by each method, against long chains of NUTS.

    Of the population success of every series: the largest difference of means in deviations of
    NUTS, and the mean ratio of the widths of 90 % intervals.
    """
    profiles = {
        "HumanEval": measured.human_eval(data).profile,
        "concise CoT": measured.concise(data).observations(np.arange(400), 2),
        "reasoning-gym": measured.reasoning_gym(data).observations(np.arange(0, 5000, 10)),
    }
    print(f"\n{'profile':<14} {'method':<8} {'cpu s':>8} {'shift':>7} {'widths':>7}")
    for name, profile in profiles.items():
        known: list[tuple[float, Floats]] = []
        for method in METHODS:
            start = time.process_time()
            model = fit(_outcomes(profile), options=FitOptions(method=method, seed=seed))
            known.append((time.process_time() - start, _rates(model)))
        exact = known[-1][1]
        middle, width = exact.mean(0), np.ptp(np.quantile(exact, [0.05, 0.95], axis=0), axis=0)
        for method, (seconds, rates) in zip(METHODS, known, strict=True):
            shift = (np.abs(rates.mean(0) - middle) / exact.std(0)).max()
            widths = (np.ptp(np.quantile(rates, [0.05, 0.95], axis=0), axis=0) / width).mean()
            print(f"{name:<14} {method:<8} {seconds:8.1f} {shift:7.2f} {widths:7.2f}", flush=True)


METHODS: tuple[Method, ...] = ("laplace", "svi", "nuts")


def _outcomes(observations: Observations) -> Observations:
    """Without latencies and tokens: the comparison is of success."""
    nothing = np.full(len(observations), np.nan)
    return replace(
        observations, latency_s=nothing, input_tokens=nothing, output_tokens=nothing,
        cost_usd=nothing,
    )  # fmt: skip


def _rates(model: CostModel) -> Floats:
    """[draws, E] population success of every series."""
    assert model.success is not None
    location, loading, _ = model.success.parameters(np.arange(model.success.draws))
    score = location[..., None] + loading @ model.success.nodes.T
    return np.asarray(conditional_mean(score).mean(-1))


if __name__ == "__main__":
    time_a_fit(sys.argv[1])
