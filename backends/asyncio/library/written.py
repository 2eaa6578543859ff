"""Stand-ins for what the emitter writes anew for every workflow."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from flowir.backends.asyncio.library.points import Config, Estimate
from flowir.plan.signatures import Signature

log = logging.getLogger(__name__)


class Inputs(TypedDict):
    """What the workflow takes."""


INPUTS: dict[str, type] = {}

TOOLS: dict[str, str] = {}

PRICES: dict[str, tuple[float, float]] = {}

PLANNED: dict[str, tuple[Signature, int | None, float | None]] = {}

PROVIDERS: dict[str, str] = {}

REASONING: dict[tuple[str, str, int | str], dict[str, Any]] = {}

WORKFLOW = ""


@dataclass(frozen=True)
class Point:
    """One way to run the workflow, and what to expect of it."""

    number: int
    configs: Mapping[str, Config]
    accuracy: Estimate | None = None
    latency_s: Estimate | None = None
    cost_usd: Estimate | None = None
    baseline: bool = False


POINTS: tuple[Point, ...] = ()


async def workflow(ctx: Any) -> Any:
    """The workflow."""
