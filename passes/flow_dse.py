"""Explores the design space of a workflow and writes its Pareto front into the IR."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.errors import SearchError
from flowir.passes.flow_inline import FlowInline
from flowir.passes.flow_name_sites import FlowNameSites
from flowir.profile.provenance import proxy_remarks
from flowir.search.annotate import annotate
from flowir.search.explore import explore
from flowir.search.front import Front
from flowir.search.observed import Observed, given_rates, read_observed
from flowir.search.options import Options
from flowir.search.progress import shown


@dataclass(frozen=True)
class FlowDse(ModulePass):
    """Writes the Pareto front of accuracy, latency and cost into a workflow.

        %draft = flow.call @coder(%task) at "draft" : (!flow.text) -> !flow.text

    becomes, and the workflow gets the points as its `dse.front`,

        %draft = flow.call @coder(%task) at "draft"
          attributes {dse.configs = [#dse.config<"gpt-4-0613">, #dse.unused]}
          : (!flow.text) -> !flow.text

    Calls of workflows are inlined and sites named first. Cost is left out of the objectives, with a
    warning, where a model has no price.

    Attributes:
        profile: file of observations of single calls.
        prices: file of prices of the models.
        workflow: name of the workflow; may be left out where only one is not called by another.
        objectives, latency, execution, model, queries, credible, draws, scenarios, seed,
        max_latency, min_accuracy, max_cost, allow, lock, forbid, limit, survivors, algorithm,
        max_seconds, max_memory: see `flowir.search.options.Options` and docs/search.md.
        max_points: points written at most, today's, extremes and knees first; 0 for all, followed
            by the points that were estimated and are dominated.
    """

    name = "flow-dse"

    profile: str | None = None
    prices: str | None = None
    workflow: str | None = None
    objectives: tuple[str, ...] = Options.objectives
    latency: str = Options.latency
    execution: str = Options.execution
    model: str = Options.model
    queries: str = Options.queries
    credible: int | float = Options.credible
    draws: int = Options.draws
    scenarios: int = Options.scenarios
    seed: int = Options.seed
    max_latency: int | float | None = None
    min_accuracy: int | float | None = None
    max_cost: int | float | None = None
    allow: tuple[str, ...] = Options.allow
    lock: tuple[str, ...] = Options.lock
    forbid: tuple[str, ...] = Options.forbid
    limit: int = Options.limit
    survivors: int = Options.survivors
    algorithm: str = Options.algorithm
    max_seconds: int | float | None = None
    max_memory: int | float | None = None
    max_points: int = 32

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        self.options()
        self.explore(ctx, op, read_observed(self.profile, self.prices, self.seed))

    def explore(self, ctx: Context, op: ModuleOp, observed: Observed) -> None:
        """What the pass does, with observations that are there already."""
        options = self.options()
        FlowInline().apply(ctx, op)
        FlowNameSites().apply(ctx, op)
        workflow = find_workflow(op, self.workflow)
        terms = workflow_terms(workflow)
        source = observed.source(terms, given_rates(op), options.queries)
        with shown() as report:
            front = explore(
                terms,
                source,
                options,
                profile=observed.observations.content_hash,
                prices=observed.prices,
                warnings=proxy_remarks(observed.observations),
                report=report,
            )
        for sentence in front.facts.warnings:
            warnings.warn(sentence, stacklevel=2)
        annotate(workflow, self._written(front))

    def options(self) -> Options:
        """The options as exploration takes them.

        Raises:
            SearchError: one that means nothing.
        """
        if self.max_points < 0:
            raise SearchError(f"max-points={self.max_points}: one or more, or 0 for all, is meant")
        return Options(
            objectives=self.objectives,  # type: ignore[arg-type]
            latency=self.latency,  # type: ignore[arg-type]
            execution=self.execution,  # type: ignore[arg-type]
            model=self.model,  # type: ignore[arg-type]
            queries=self.queries,  # type: ignore[arg-type]
            credible=self.credible,
            draws=self.draws,
            scenarios=self.scenarios,
            seed=self.seed,
            max_latency=self.max_latency,
            min_accuracy=self.min_accuracy,
            max_cost=self.max_cost,
            allow=self.allow,
            lock=self.lock,
            forbid=self.forbid,
            limit=self.limit,
            survivors=self.survivors,
            algorithm=self.algorithm,  # type: ignore[arg-type]
            max_seconds=self.max_seconds,
            max_memory=self.max_memory,
        )

    def _written(self, front: Front) -> Front:
        return front.thinned(self.max_points) if self.max_points else front
