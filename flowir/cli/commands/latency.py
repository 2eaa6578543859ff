"""`flowir latency`: measure an endpoint under load."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.option("--endpoint", metavar="URL", help="OpenAI-compatible, with its version, or litellm.")
@click.option("--models", required=True, help="Commas between.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The JSON.")
@click.option("--concurrency", default="1,2,4,8", show_default=True)
@click.option("--input-tokens", default="256,2048", show_default=True, help="Two for prefill.")
@click.option("--output-tokens", default=64, show_default=True, type=click.IntRange(2))
@click.option("--requests", default=16, show_default=True, type=click.IntRange(1))
@click.option("--length-field", default="max_tokens", show_default=True)
@click.option("--timeout", default=120.0, show_default=True, type=click.FloatRange(0.001))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def latency(endpoint: str | None, models: str, out: str, **options: Any) -> None:
    """Measure time to first token and per output token against concurrency.

    The result is an engine profile for simulations.

    Example: flowir latency --endpoint http://localhost:8000/v1 --models m -o engines.json
    """
    from flowir.cli.latency import run
    from flowir.profiler.latency import Probe

    probe = Probe(
        _whole_numbers("--concurrency", options["concurrency"]),
        _whole_numbers("--input-tokens", options["input_tokens"]),
        options["output_tokens"],
        options["requests"],
        options["length_field"],
        options["timeout"],
        options["seed"],
    )
    run(endpoint, [name.strip() for name in models.split(",") if name.strip()], probe, out)


def _whole_numbers(option: str, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) for part in parts):
        raise click.ClickException(f"{option} {text}: give whole numbers above 0, commas between")
    return tuple(int(part) for part in parts)
