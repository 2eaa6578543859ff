"""Runs of `benchmarks.serving` on all cores: seeds are shared out among processes of their own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.serving_runs import Runs
from flowir.sim.serving.workload import Trace


class Processes:
    """See :class:`benchmarks.serving_runs.Workers`.

    What a run gives does not depend on how many there are. A seed always goes to the same process,
    which draws its requests once for all schedulers.
    """

    def __init__(self, trace: Trace, count: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._processes = [
            ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(trace,))
            for _ in range(count)
        ]

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.shutdown(cancel_futures=True)

    def each(self, do: str, seeds: Sequence[int], *given: Any) -> list[Any]:
        """Of each seed, side by side."""
        count = len(self._processes)
        found = [
            self._processes[number % count].submit(_do, do, seed, *given)
            for number, seed in enumerate(seeds)
        ]
        return [one.result() for one in found]


_runs: list[Runs] = []
"""Of this process."""


def _begin(trace: Trace) -> None:
    _runs[:] = [Runs(trace)]


def _do(do: str, seed: int, *given: Any) -> Any:
    return getattr(_runs[0], do)(seed, *given)
