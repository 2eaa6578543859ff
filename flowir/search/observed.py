"""What a compilation knows of single calls: observations, prices, and rates the workflow states."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from xdsl.dialects.builtin import ModuleOp

from flowir.calculus.scenarios import GivenRates, Scenarios
from flowir.calculus.terms import Workflow
from flowir.cost import CostModel, FitOptions, fit_cached
from flowir.dialects import flow
from flowir.errors import SearchError
from flowir.profile import Observations, Prices, read_observations, read_prices
from flowir.search.explore import Source
from flowir.search.problem import Queries


@dataclass(frozen=True)
class Observed:
    """Observations with prices; the cost model is fitted when it is first asked for.

    Attributes:
        prices: US dollars per token; None where no file was given.
        seed: of the fit.
    """

    observations: Observations
    prices: Prices | None
    seed: int = 0

    @property
    def model(self) -> CostModel:
        """The fitted cost model."""
        return _fitted(_Content(self.observations.content_hash, self.observations), self.seed)

    def source(self, workflow: Workflow, given: dict[str, GivenRates], queries: Queries) -> Source:
        """Scenarios of a workflow, whose checkers have the rates `given`."""

        def source(draws: int, count: int, seed: int) -> Scenarios:
            return self.model.scenarios(
                workflow,
                given,
                prices=self.prices,
                draws=draws,
                queries=count,
                population=queries == "population",
                seed=seed,
            )

        return source


def read_observed(profile: str | None, prices: str | None, seed: int = 0) -> Observed:
    """The observations of a file, with the prices of another.

    Raises:
        SearchError: no profile is given.
        ProfileError: a file is missing or cannot be read.
    """
    if profile is None:
        raise SearchError(
            "no observations of single calls; give profile=FILE (flowir-opt --profile FILE)"
        )
    return Observed(
        read_observations(profile), None if prices is None else read_prices(prices), seed
    )


def given_rates(module: ModuleOp) -> dict[str, GivenRates]:
    """Rates that the tools of a module state of themselves, by name."""
    return {
        op.sym_name.data: GivenRates(
            op.accepts.right.data, op.accepts.wrong.data, op.accepts.persistence.data
        )
        for op in module.walk()
        if isinstance(op, flow.ToolOp) and op.accepts is not None
    }


@dataclass(frozen=True)
class _Content:
    """Observations that are equal by content."""

    content_hash: str
    observations: Observations = field(compare=False)


@lru_cache(maxsize=4)
def _fitted(content: _Content, seed: int) -> CostModel:
    """One fit per content in a process: selecting after exploring needs the same model."""
    return fit_cached(content.observations, options=FitOptions(seed=seed))
