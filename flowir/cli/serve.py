"""`flowir serve`: a compiled workflow behind an OpenAI-compatible HTTP server."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from flowir.errors import ServingError

if TYPE_CHECKING:
    from flowir.serving.compiled import Compiled
    from flowir.serving.endpoints import Endpoint
    from flowir.serving.expectations import FirstTokens
    from flowir.serving.learning import Routing
    from flowir.serving.service import Service, StandIn


@dataclass(frozen=True)
class Options:
    """The command line, as it was written."""

    compiled: str
    endpoint: tuple[str, ...]
    endpoints: str | None
    simulate: str | None
    name: str | None
    point: int | None
    max_latency: float | None
    min_accuracy: float | None
    max_cost: float | None
    tolerance: float
    scheduler: str
    engines: str | None
    profile: str | None
    prices: str | None
    queries: str | None
    router: str
    features: str
    host: str
    port: int
    allow_host: tuple[str, ...]
    token_file: str | None
    max_requests: int
    timeout: float
    call_timeout: float
    retries: int
    max_body: int
    leave: float
    drain: float


def serve(given: Options) -> None:
    """Serve until the process is told to stop.

    Raises:
        FlowirError: nothing was served.
    """
    _check_installed()
    from flowir.serving.security import Policy, read_tokens
    from flowir.serving.server import Place, address_of, listen, run_until_stopped, server_of

    service, endpoints, routing = _service(given)
    tokens = read_tokens(given.token_file)
    place = Place(given.host, given.port, given.leave, given.drain)
    listener = listen(place)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    _tell(given, service, routing, guarded=bool(tokens))
    policy = Policy.of(tokens, given.host, given.allow_host)
    server = server_of(service, endpoints, policy, place)
    click.echo(f"model {service.compiled.name} at {address_of(listener)}/v1", err=True)
    run_until_stopped(server, listener)


def _check_installed() -> None:
    try:
        import aiohttp  # noqa: F401
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ServingError(
            f"{error.name} is not installed; run: pip install 'flowir[serve]'"
        ) from None


def _service(given: Options) -> tuple[Service, Sequence[Endpoint], Routing | None]:
    """What will answer, whom it asks, and what it learned of requests.

    Raises:
        FlowirError: the workflow, an endpoint, observations or the options do not fit.
    """
    from flowir.serving.build import service_of
    from flowir.serving.compiled import Wanted, read_compiled
    from flowir.serving.endpoints import check_coverage, endpoints_of
    from flowir.serving.engines import engines_of
    from flowir.serving.service import Limits

    wanted = Wanted(
        given.point,
        given.max_latency,
        given.min_accuracy,
        given.max_cost,
        given.tolerance,
        given.queries is not None,
    )
    compiled = read_compiled(given.compiled, given.name, wanted)
    stand_in = None
    endpoints: Sequence[Endpoint]
    if given.simulate is None:
        endpoints = endpoints_of(given.endpoint, given.endpoints)
    else:
        endpoints, stand_in = _simulated(given, given.simulate, compiled)
    limits = Limits(
        given.max_requests, given.timeout, given.call_timeout, given.retries, given.max_body
    )
    check_coverage(endpoints, compiled.configurations)
    compiled, first, routing = _learned(compiled, given)
    service = service_of(
        compiled,
        endpoints,
        limits,
        scheduler=given.scheduler,
        engines=engines_of(given.engines),
        route=None if routing is None else routing.route,
        first=first,
        stand_in=stand_in,
    )
    return service, endpoints, routing


def _simulated(
    given: Options, observations: str, compiled: Compiled
) -> tuple[Sequence[Endpoint], StandIn]:
    """What answers in place of models and tools.

    Raises:
        FlowirError: an option that says where models are, or what cannot be simulated.
    """
    for option in ("endpoint", "endpoints", "engines"):
        if getattr(given, option):
            raise ServingError(f"--{option} is of no use with --simulate; leave one of them out")
    from flowir.serving.simulated import SIMULATED, simulated_runs
    from flowir.source.workflows import read_module

    module = read_module(given.compiled)
    return (SIMULATED,), simulated_runs(module, compiled, observations)


def _tell(given: Options, service: Service, routing: Routing | None, *, guarded: bool) -> None:
    """What will be served, before anybody asks."""
    from flowir.serving.security import is_loopback
    from flowir.serving.service import stages_in_words

    if not is_loopback(given.host):
        what = "others can reach it" if guarded else "others can reach it, and need no token"
        click.echo(f"warning: {given.host} is no loopback address: {what}", err=True)
    click.echo(f"{service.compiled.name}, stage by stage:", err=True)
    for line in stages_in_words(service.configurations):
        click.echo(f"  {line}", err=True)
    for line in [] if routing is None else routing.words():
        click.echo(f"routing {line}", err=True)
    if given.simulate is not None:
        click.echo("simulated: no model is asked, and no tool is run", err=True)


def _learned(
    compiled: Compiled, given: Options
) -> tuple[Compiled, FirstTokens | None, Routing | None]:
    """What observations say of the workflow before it is served; nothing without them.

    Raises:
        FlowirError: files that are missing or do not fit, or too few queries.
    """
    if given.profile is None:
        for option, value in (("--prices", given.prices), ("--queries", given.queries)):
            if value is not None:
                raise ServingError(f"{option} says nothing without --profile, the observations")
        return compiled, None, None
    from flowir.profiler.data import check_fields, read_data
    from flowir.search.observed import read_observed
    from flowir.serving.features import EMBEDDINGS
    from flowir.serving.knowledge import Knowledge
    from flowir.serving.learning import CLASSIFIERS, learned_routing

    records = None if given.queries is None else read_data(given.queries)
    if records is not None:
        needed = dict.fromkeys(compiled.inputs, f"the workflow {compiled.name}")
        check_fields(str(given.queries), records, needed)
    facts = compiled.facts
    observed = read_observed(given.profile, given.prices, 0 if facts is None else facts.seed)
    if facts is not None and facts.profile not in ("", observed.observations.content_hash):
        click.echo(f"warning: {given.profile}: not what the front was made from", err=True)
    knowledge = Knowledge(compiled, observed)
    if observed.prices is not None:
        compiled = compiled.priced(observed.prices, knowledge.costs())
    if records is None:
        return compiled, knowledge.first_tokens(), None
    try:
        routing = learned_routing(
            compiled,
            observed,
            records,
            given.tolerance,
            classifier=CLASSIFIERS[given.router],
            embed=EMBEDDINGS[given.features],
        )
    except ServingError as error:
        raise ServingError(f"{given.queries}: {error}") from None
    return compiled, knowledge.first_tokens(), routing
