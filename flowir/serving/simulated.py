"""Runs of a served workflow whose models and tools are simulated, as observations of calls say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.program import program_of
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.configuration import Configuration
from flowir.errors import ServingError, SimulationError
from flowir.runtime.llm import LLM, CompletionLike, Message, Tools
from flowir.search.observed import given_rates, read_observed
from flowir.search.options import Options
from flowir.serving.compiled import Compiled
from flowir.serving.endpoints import Endpoint
from flowir.sim import clock
from flowir.sim.following import FollowingProvider
from flowir.sim.inputs import any_inputs, parsers_of
from flowir.sim.simulation import Simulation

SIMULATED = Endpoint("simulated", "simulated:", budget_field="budget")
"""Where models of simulated runs answer: in this process, nothing is sent anywhere."""

KEPT = 1024
"""Settings of the workflow whose rates are kept."""


@dataclass(frozen=True)
class SimulatedRuns:
    """Models and tools of runs; answers, verdicts, tokens and seconds are drawn, in real time.

    A question is in one scenario, told by what is asked, so that what makes it hard stays the same
    when it is asked again; each run draws anew in it.

    Attributes:
        workflow: the structure that is served.
        settings: of decisions that no call has been made for.
        parsers: for each agent, how its answer is read.
    """

    workflow: Workflow
    settings: tuple[int, ...]
    scenarios: Scenarios
    seed: int = 0
    parsers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = lru_cache(maxsize=KEPT)(self._simulation)
        object.__setattr__(self, "_simulations", kept)

    def _simulation(self, settings: tuple[int, ...]) -> Simulation:
        return Simulation(self.workflow, settings, self.scenarios, self.seed, self.parsers)

    def __call__(self, inputs: Mapping[str, Any], number: int) -> tuple[LLM, Tools]:
        """The model client and the tools of one run.

        Args:
            number: of the run; tells repeats of a question apart.
        """
        told = json.dumps(dict(inputs), sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(f"{self.seed} {told}".encode("utf-8", "surrogatepass")).digest()
        scenario = int.from_bytes(digest[:8], "big") % self.scenarios.size
        provider = FollowingProvider(self._simulations, self.settings, scenario, number)  # type: ignore[attr-defined]
        return provider.llm, provider.tools


def simulated_runs(module: ModuleOp, compiled: Compiled, observations: str) -> SimulatedRuns:
    """Runs of what is served, by observations of single calls.

    One run is made at once, in virtual time: what cannot be simulated is said before anybody asks.

    Args:
        module: which `compiled` was read from.
        observations: a file; see :func:`flowir.profile.read_observations`.

    Raises:
        ServingError: the workflow cannot be simulated.
        FlowirError: the observations cannot be read, or lack what the workflow needs.
    """
    workflow = find_workflow(module, compiled.name)
    terms = workflow_terms(workflow)
    program = program_of(module.clone(), compiled.name)
    number = 0 if program.front is None else compiled.point.number
    labels = dict(program.points[number].labels)
    facts = Options() if program.front is None else program.front.facts
    source = read_observed(observations, None, facts.seed).source(
        terms, given_rates(module), facts.queries
    )
    chosen = dict(zip(compiled.stages, compiled.rows[0].choices, strict=True))
    settings = tuple(
        d.configurations.index(chosen[str(d)]) if str(d) in chosen else 0 for d in terms.decisions
    )
    try:
        runs = SimulatedRuns(
            terms.specialise(labels),
            settings,
            source(facts.draws, facts.scenarios, facts.seed),
            facts.seed,
            parsers_of(module),
        )
        _rehearse(runs, compiled, chosen, any_inputs(workflow))
    except SimulationError as error:
        raise ServingError(f"@{compiled.name} cannot be simulated: {error}") from None
    return runs


def _rehearse(
    runs: SimulatedRuns,
    compiled: Compiled,
    chosen: Mapping[str, Configuration],
    inputs: Mapping[str, object],
) -> None:
    """Make a run in virtual time.

    Raises:
        SimulationError: why it cannot be made.
    """
    program = compiled.program
    llm, tools = runs(inputs, 0)
    settled = _Settled(llm, chosen)
    try:
        clock.run(program.run(inputs, point=compiled.point, llm=settled, tools=tools, retries=0))
    except program.WorkflowError as error:
        # What else a run may come to, such as too many plans, is a matter of luck.
        if isinstance(error.__cause__, SimulationError):
            raise error.__cause__ from None


@dataclass(frozen=True)
class _Settled:
    """A model client whose models are named by stage."""

    llm: LLM
    chosen: Mapping[str, Configuration]

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> CompletionLike:
        one = self.chosen[model]
        budget = {} if one.budget is None else {"budget": one.budget}
        return await self.llm(node, messages, model=one.model, **dict(one.params), **budget)
