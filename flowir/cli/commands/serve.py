"""`flowir serve`: a compiled workflow behind an OpenAI-compatible HTTP server."""

from __future__ import annotations

from typing import Any

import click

SCHEDULERS = (
    "delay-cost",
    "finish-time",
    "dollars",
    "throughput",
    "per-input",
    "cheapest-per-input",
    "static",
)
"""Those of `flowir.serving.build`, which takes long to import."""

ROUTERS = ("kernel", "nearest", "uniform")
FEATURES = ("hashing", "length")
"""Those of `flowir.serving.learning` and `features`."""


@click.command()
@click.argument("compiled", type=click.Path())
@click.option("--endpoint", multiple=True, metavar="[MODEL=]URL", help="With its version path.")
@click.option("--endpoints", type=click.Path(), metavar="FILE", help="TOML or JSON; see docs.")
@click.option(
    "--simulate",
    type=click.Path(),
    metavar="FILE",
    help="Observations of calls; models and tools are simulated by them, nothing is asked.",
)
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option(
    "--point", type=click.IntRange(0), help="Of the front; the most accurate if left out."
)
@click.option("--max-latency", type=click.FloatRange(0, min_open=True), help="Seconds.")
@click.option("--min-accuracy", type=click.FloatRange(0, 1), help="Share of right answers.")
@click.option("--max-cost", type=click.FloatRange(0, min_open=True), help="US dollars a run.")
@click.option(
    "--tolerance",
    default=0.02,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Accuracy that may be given up: under load, by routing.",
)
@click.option("--scheduler", default="delay-cost", show_default=True, type=click.Choice(SCHEDULERS))
@click.option("--engines", type=click.Path(), metavar="FILE", help="What flowir latency wrote.")
@click.option(
    "--profile", type=click.Path(), metavar="FILE", help="Observations: what calls will take."
)
@click.option("--prices", type=click.Path(), metavar="FILE", help="In place of the front's.")
@click.option(
    "--queries", type=click.Path(), metavar="FILE", help="Of the profile: routes each request."
)
@click.option("--router", default="kernel", show_default=True, type=click.Choice(ROUTERS))
@click.option("--features", default="hashing", show_default=True, type=click.Choice(FEATURES))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@click.option("--allow-host", multiple=True, metavar="NAME", help="By which clients may call it.")
@click.option("--token-file", type=click.Path(), help="Bearer tokens, one a line.")
@click.option(
    "--max-requests",
    default=256,
    show_default=True,
    type=click.IntRange(1),
    help="Under way or waiting; others get 429.",
)
@click.option(
    "--timeout",
    default=600.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds of a request.",
)
@click.option(
    "--call-timeout",
    default=120.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds of a model call.",
)
@click.option("--retries", default=3, show_default=True, type=click.IntRange(0), help="Of a call.")
@click.option("--max-body", default=2**20, show_default=True, type=click.IntRange(1), help="Bytes.")
@click.option(
    "--leave",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds to be unready and still serve.",
)
@click.option(
    "--drain",
    default=30.0,
    show_default=True,
    type=click.FloatRange(1),
    help="Seconds for runs under way at the end.",
)
def serve(**options: Any) -> None:
    """Serve a compiled workflow as one model of an OpenAI-compatible HTTP server.

    COMPILED is a workflow with a front, as flowir-opt --dse writes it, or one without choices. The
    configuration of each call is chosen when it is made. Keys come from OPENAI_API_KEY, bearer
    tokens of clients from FLOWIR_SERVE_TOKENS or --token-file. With --simulate it needs no endpoint
    and no key: answers, verdicts and seconds are drawn from the cost model.

    With --profile and --queries, a request may be run by every configuration of the front that
    keeps accuracy for it. Half of the queries say how much of it may be lost by that.

    Example: flowir serve front.mlir --endpoint small=http://a:8000/v1 --endpoint big=http://b:8000/v1

    Example: flowir serve front.mlir --endpoint http://a:8000/v1 --profile c.csv --queries dev.jsonl
    """
    from flowir.cli.serve import Options, serve

    serve(Options(**options))
