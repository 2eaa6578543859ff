"""How long and how much memory: CPU time, since other work shares the machine, and traced bytes."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import numpy as np


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one run, of all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def side_by_side(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each, run in turn, so that what slows one run slows all alike."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            taken[name].append(cpu_seconds(work))
    return {name: median(seconds) for name, seconds in taken.items()}


def peak_megabytes(work: Callable[[], object]) -> float:
    """Most memory held at once during a run above what was held before: Python's and NumPy's."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        work()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (peak - before) / 1e6


def exponent(sizes: Sequence[float], amounts: Sequence[float]) -> float:
    """b of amount ≈ a · size^b: the slope of the least-squares line through the logarithms."""
    slope, _ = np.polyfit(np.log(sizes), np.log(amounts), 1)
    return float(slope)


def cores() -> int:
    """That this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
