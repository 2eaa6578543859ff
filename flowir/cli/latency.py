"""`flowir latency`: an engine profile of every model of an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from flowir.cli.endpoints import client
from flowir.engines.measured import EngineProfile, write_engines
from flowir.profiler.latency import Probe, measure

WIDTH = 118


def run(endpoint: str | None, models: Sequence[str], probe: Probe, out: str) -> None:
    """Measure the models one after the other, and write their engine profiles.

    Raises:
        ProfilerError: the endpoint cannot be used; nothing is written.
    """
    engines = asyncio.run(_measure(endpoint, models, probe))
    write_engines(out, engines)
    Console(width=WIDTH).print(_table(engines))
    print(f"wrote {out}")


async def _measure(
    endpoint: str | None, models: Sequence[str], probe: Probe
) -> list[EngineProfile]:
    told = Console(stderr=True)
    async with AsyncExitStack() as stack:
        llm = await client(stack, endpoint, (), timeout_s=probe.timeout_s, stream=True)
        return [
            await measure(
                llm, model, probe, lambda line: told.print(line, markup=False, highlight=False)
            )
            for model in models
        ]


def _table(engines: Sequence[EngineProfile]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("model", overflow="fold")
    for name in ("at a time", "first token s", "p95", "per token ms", "p95", "tokens / s"):
        table.add_column(name, justify="right")
    for engine in engines:
        for load in engine.loads:
            table.add_row(
                engine.model,
                str(load.concurrency),
                f"{load.ttft_s.mean:.3g}",
                f"{load.ttft_s.p95:.3g}",
                f"{1000 * load.per_output_token_s.mean:.3g}",
                f"{1000 * load.per_output_token_s.p95:.3g}",
                f"{load.output_tokens_per_s:.3g}",
            )
    return table
