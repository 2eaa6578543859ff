"""Run a program many times on the simulated provider and the virtual clock, and measure it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from flowir.calculus.scenarios import Array, Scenarios
from flowir.calculus.terms import Workflow
from flowir.engines.engine import LanguageModelEngine
from flowir.errors import SimulationError
from flowir.runtime.llm import LLM, Tools
from flowir.sim import clock
from flowir.sim.endpoints import Endpoint, endpoints
from flowir.sim.provider import SimulatedProvider
from flowir.sim.simulation import Simulation

RunOne = Callable[[Mapping[str, object], LLM, Tools], Awaitable[object]]
"""(inputs, llm, tools) -> the workflow's value, such as the `value` of an emitted `run`."""


@dataclass(frozen=True)
class Simulated:
    """What N simulated runs did; every array is [N], in the order of the runs.

    Attributes:
        scenario: index of the scenario each run was in.
        right: 1 where the result was right, 0 where wrong, a share for a mean map.
        latency_s: virtual seconds from start to result.
        cost_usd: US dollars, cancelled calls included; NaN where a price is not known.
        calls: number of model calls started.
        calls_by_site: the same, over all runs, by site.
        source: says that none of this was measured.
    """

    scenario: npt.NDArray[np.int64]
    right: Array
    latency_s: Array
    cost_usd: Array
    calls: Array
    calls_by_site: Mapping[str, int]
    source: Literal["simulated"] = "simulated"

    @property
    def accuracy(self) -> float:
        """Share of right results."""
        return float(self.right.mean())

    @property
    def mean_latency_s(self) -> float:
        return float(self.latency_s.mean())

    @property
    def mean_cost_usd(self) -> float:
        return float(self.cost_usd.mean())

    @property
    def mean_calls(self) -> float:
        return float(self.calls.mean())

    def latency_quantile(self, q: float) -> float:
        """Seconds, over all runs together."""
        return float(np.quantile(self.latency_s, q))

    def __str__(self) -> str:
        return (
            f"simulated, {len(self.right)} runs: accuracy {self.accuracy:.3f} ± "
            f"{standard_error(self.right):.3f}, latency {self.mean_latency_s:.3g} ± "
            f"{standard_error(self.latency_s):.2g} s, cost {self.mean_cost_usd:.3g} ± "
            f"{standard_error(self.cost_usd):.2g} USD, {self.mean_calls:.2f} calls"
        )


def standard_error(values: Array) -> float:
    """Of the mean of N runs: the sample standard deviation over √N; infinite for one run."""
    n = len(values)
    return float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf


def simulate(
    run_one: RunOne,
    workflow: Workflow,
    settings: Sequence[int],
    scenarios: Scenarios,
    *,
    inputs: Mapping[str, object] | None = None,
    parsers: Mapping[str, str] | None = None,
    samples: int = 1000,
    seed: int = 0,
    engines: Mapping[str, LanguageModelEngine] | None = None,
    arrivals_s: Sequence[float] | None = None,
) -> Simulated:
    """Run a program once in each of `samples` scenarios.

    The scenarios are a random choice without replacement; where more samples than scenarios are
    asked for, each scenario serves equally often, give or take one. Runs do not influence one
    another: each has the virtual machine to itself, unless they arrive while others go on and share
    engines. The same arguments give the same result.

    Args:
        run_one: the program; see :data:`RunOne`.
        workflow: what it was emitted from, specialised to the structures it uses.
        settings: for each decision, the index of the configuration it uses.
        inputs: given to every run. They count as right; text needs no mark.
        engines: of a model, what it takes to answer at its load, in place of the latency that the
            scenario says.
        arrivals_s: [samples] when each run starts; without, each starts when the one before ended.
        parsers: see :class:`flowir.sim.simulation.Simulation`.

    Raises:
        SimulationError: settings, scenarios or calls that do not fit the workflow; no samples.
        DeadlockError: the program waits for something that cannot happen.
    """
    if samples < 1:
        raise SimulationError(f"{samples} samples: at least one run is needed")
    simulation = Simulation(workflow, settings, scenarios, seed, parsers or {})
    order = _scenarios(scenarios.size, samples, seed)
    calls: Counter[str] = Counter()
    if arrivals_s is not None and len(arrivals_s) != samples:
        raise SimulationError(f"{len(arrivals_s)} arrivals of {samples} samples; give one of each")
    one = _One(run_one, simulation, inputs or {}, calls, endpoints(engines or {}))
    rows = clock.run(_runs(one, order, arrivals_s))
    right, latency, cost, count = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Simulated(order, right, latency, cost, count, dict(sorted(calls.items())))


@dataclass(frozen=True)
class _One:
    """How a run is made; it adds its calls to `calls`."""

    run_one: RunOne
    simulation: Simulation
    inputs: Mapping[str, object]
    calls: Counter[str]
    endpoints: Mapping[str, Endpoint]

    async def __call__(
        self, sample: int, scenario: int, at: float | None = None
    ) -> tuple[float, float, float, float]:
        """(right, latency, cost, calls) of one run, which starts now or at that time."""
        loop = asyncio.get_running_loop()
        if at is not None:
            await asyncio.sleep(max(0.0, at - loop.time()))
        provider = SimulatedProvider(self.simulation, scenario, sample, self.endpoints)
        start = loop.time()
        try:
            value = await self.run_one(self.inputs, provider.llm, provider.tools)
            latency = loop.time() - start
            right = self.simulation.rightness(value)
        except Exception as error:
            error.add_note(f"in simulated run {sample}, scenario {scenario}")
            raise
        self.calls.update(provider.calls)
        return right, latency, provider.cost_usd, float(provider.calls.total())


async def _runs(
    one: _One, order: npt.NDArray[np.int64], arrivals_s: Sequence[float] | None
) -> list[tuple[float, float, float, float]]:
    """(right, latency, cost, calls) of each run."""
    if arrivals_s is None:
        return [await one(sample, int(scenario)) for sample, scenario in enumerate(order)]
    return await asyncio.gather(
        *(
            one(sample, int(scenario), at)
            for sample, (scenario, at) in enumerate(zip(order, arrivals_s, strict=True))
        )
    )


def _scenarios(size: int, samples: int, seed: int) -> npt.NDArray[np.int64]:
    """[samples] indices of scenarios, each equally often, give or take one."""
    shuffled = np.random.default_rng(seed).permutation(size)
    return np.resize(shuffled, samples).astype(np.int64)
