"""What endpoints say of their own load, in the Prometheus text format."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from flowir.serving.dispatch import Dispatcher
from flowir.serving.endpoints import Endpoint
from flowir.serving.loads import Replica, Reported

log = logging.getLogger(__name__)

RUNNING = (
    "vllm:num_requests_running",
    "sglang:num_running_reqs",
    "tgi_batch_current_size",
    "llamacpp:requests_processing",
)
WAITING = (
    "vllm:num_requests_waiting",
    "sglang:num_queue_reqs",
    "tgi_queue_size",
    "llamacpp:requests_deferred",
)
"""Gauges of the servers whose documentation names them (vLLM, SGLang, TGI, llama.cpp)."""

EVERY_S = 1.0
LARGEST = 4 * 2**20
"""Bytes of a metrics page that are read; a longer one is no metrics page."""


def reported(text: str, model: str, at: float) -> Reported | None:
    """What a metrics page says about a model; None where it says nothing that can be used.

    Samples with a `model_name` count for that model only. Numbers that are negative or not finite
    are left out.
    """
    found = {"running": 0.0, "waiting": 0.0}
    known = False
    for family in text_string_to_metric_families(text):
        kind = (
            "running" if family.name in RUNNING else "waiting" if family.name in WAITING else None
        )
        if kind is None:
            continue
        for sample in family.samples:
            if sample.labels.get("model_name", model) != model:
                continue
            if math.isfinite(sample.value) and sample.value >= 0:
                known = True
                found[kind] += sample.value
    return Reported(found["running"], found["waiting"], at) if known else None


async def observe(dispatcher: Dispatcher, endpoints: Sequence[Endpoint]) -> None:
    """Ask the endpoints that have metrics how they are, again and again."""
    watched = [one for one in endpoints if one.metrics]
    if not watched:
        return
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        while True:
            await asyncio.gather(*(_ask(client, dispatcher, one) for one in watched))
            dispatcher.wake()
            await asyncio.sleep(EVERY_S)


async def _ask(client: aiohttp.ClientSession, dispatcher: Dispatcher, endpoint: Endpoint) -> None:
    replicas: list[Replica] = [
        one for one in dispatcher.replicas.values() if one.endpoint is endpoint
    ]
    try:
        async with asyncio.timeout(2 * EVERY_S):
            text = await _page(client, endpoint.metrics)
        for replica in replicas:
            name = endpoint.aliases.get(replica.model, replica.model)
            said = reported(text, name, dispatcher.now())
            if said is not None:
                replica.says(said)
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TimeoutError) as error:
        # What it said before is forgotten when it is stale; calls say whether it is alive.
        log.debug("%s: no metrics (%s)", endpoint.name, type(error).__name__)


async def _page(client: aiohttp.ClientSession, url: str) -> str:
    async with client.get(url, allow_redirects=False) as response:
        response.raise_for_status()
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > LARGEST:
                raise ValueError("too long")
            parts.append(part)
    return b"".join(parts).decode("utf-8")
