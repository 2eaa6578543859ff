"""Seconds and memory of a fit, and what the methods of inference say of the same observations.

    python benchmarks/cost_model_speed.py ROWS

prints seconds, peak gigabytes and seconds to load of one fit of generated observations.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import cost_model_data as measured
from benchmarks.cost_model_report import Report
from flowir.configuration import Configuration
from flowir.cost import FitOptions, fit, load, save
from flowir.cost.report import learned
from flowir.profile import Observation, observations_of


def speed(report: Report, quick: bool) -> None:
    """Time and peak memory of a fit in a process of its own, imports included."""
    for rows, seconds in ((5_000, 20.0),) if quick else ((5_000, 20.0), (50_000, 90.0)):
        out = subprocess.run(
            [sys.executable, __file__, str(rows)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        taken, peak, loading = (float(word) for word in out)
        report.add(f"fit of {rows} observations", taken, "s", seconds, simulated=True)
        report.add(f"peak memory of it, {rows} observations", peak, "GB", 1.5, simulated=True)
        report.add("loading it from the cache", loading, "s", 0.2, simulated=True)


def time_a_fit(rows: int) -> None:
    """Prints seconds, peak gigabytes and seconds to load: of generated observations."""
    rng = np.random.default_rng(0)
    arms, samples = 10, 5
    observations = observations_of(
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
    start = time.perf_counter()
    model = fit(observations)
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "model.npz")
        start = time.perf_counter()
        load(Path(folder) / "model.npz")
    print(taken, peak, time.perf_counter() - start)


def inference(data: Path, seed: int) -> None:
    """The same model of HumanEval by each method: seconds, and what they say."""
    profile = measured.human_eval(data).profile
    print(f"\n{'method':<8} {'seconds':>8}  population success, mean and 90 % interval")
    for method in ("laplace", "svi", "nuts"):
        start = time.perf_counter()
        model = fit(profile, options=FitOptions(method=method, seed=seed))
        taken = time.perf_counter() - start
        rates = [row.rate for row in learned(model) if row.rate is not None]
        words = "  ".join(f"{r.mean:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in rates)
        print(f"{method:<8} {taken:8.1f}  {words}", flush=True)


if __name__ == "__main__":
    time_a_fit(int(sys.argv[1]))
