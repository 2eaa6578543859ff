"""A service from what a command line says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from flowir.engines.engine import LanguageModelEngine
from flowir.errors import ServingError
from flowir.runtime.llm import LLM
from flowir.serving.beam import BeamThroughput
from flowir.serving.compiled import Compiled
from flowir.serving.dispatch import Dispatcher
from flowir.serving.endpoints import Endpoint, check_coverage, client_of
from flowir.serving.expectations import Expectations, FirstTokens
from flowir.serving.forecast import delay_cost, dollars
from flowir.serving.loads import UNKNOWN, Replica
from flowir.serving.metrics import Metrics
from flowir.serving.per_input import PerInput
from flowir.serving.scheduler import StageScheduler
from flowir.serving.service import Limits, Route, Service, StandIn
from flowir.serving.stagewise import OBJECTIVES, StageWise
from flowir.serving.static import StaticPoint

SchedulerOf = Callable[[Expectations], StageScheduler]


def static_point(expectations: Expectations) -> StageScheduler:
    """The point that was asked for, whatever the load is."""
    chosen = dict.fromkeys(expectations.configurations, 0)
    return StaticPoint({expectations.compiled.name: chosen})


SCHEDULERS: Mapping[str, SchedulerOf] = {
    **{name: lambda _, by=by: StageWise(by) for name, by in OBJECTIVES.items()},  # type: ignore[misc]
    "throughput": lambda _: BeamThroughput(),
    "per-input": lambda _: PerInput(delay_cost),
    "cheapest-per-input": lambda _: PerInput(dollars),
    "static": static_point,
}
"""By the names that the command line has for them; the first is the default."""


def service_of(
    compiled: Compiled,
    endpoints: Sequence[Endpoint],
    limits: Limits,
    *,
    scheduler: str = "delay-cost",
    engines: Mapping[str, LanguageModelEngine] | None = None,
    clients: Mapping[str, LLM] | None = None,
    route: Route | None = None,
    first: FirstTokens | None = None,
    stand_in: StandIn | None = None,
) -> Service:
    """A service that is ready to be run.

    Args:
        engines: profiles of models, by name; where there is none, how fast an endpoint is is
            learned from the calls it answers.
        clients: by name of the endpoint; made for their addresses if None.
        route: says which configurations keep accuracy for a request; the same for all if None.
        first: what calls are expected to take before any has ended; a rule of thumb if None.
        stand_in: answers in place of models and tools; these need not be there then.

    Raises:
        ServingError: a model without an endpoint, or a tool that cannot be imported.
    """
    check_coverage(endpoints, compiled.configurations)
    if stand_in is not None:
        clients = {}
    else:
        check_tools(compiled)
    if clients is None:
        clients = {one.name: client_of(one, compiled.configurations) for one in endpoints}
    expectations = Expectations(compiled, first or FirstTokens())
    replicas = replicas_of(compiled, endpoints, engines or {})
    dispatcher = Dispatcher(SCHEDULERS[scheduler](expectations), replicas)
    return Service(
        compiled, dispatcher, clients, {}, expectations, Metrics(), limits, route, stand_in
    )


def replicas_of(
    compiled: Compiled, endpoints: Sequence[Endpoint], engines: Mapping[str, LanguageModelEngine]
) -> dict[str, Replica]:
    """One per model and endpoint that serves it, by name."""
    found: dict[str, Replica] = {}
    for model in dict.fromkeys(one.model for one in compiled.configurations):
        for endpoint in endpoints:
            if endpoint.serves(model):
                engine = replace(engines.get(model, UNKNOWN), slots=endpoint.slots)
                replica = Replica(endpoint, model, engine)
                found[replica.name] = replica
    return found


def check_tools(compiled: Compiled) -> None:
    """Import all tools now, and not when the first request needs them.

    Raises:
        ServingError: one is not there.
    """
    program = compiled.program
    for name in getattr(program, "TOOLS", {}):
        try:
            program.imported(name)
        except program.WorkflowError as error:
            raise ServingError(str(error)) from None
