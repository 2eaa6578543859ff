"""Clusters of three models on H200s: `T = a + Σ (c + d · context)`, prefill per token.

The figures are fits to measured silicon of aiconfigurator (Apache-2.0), error of time per token 2.5
to 7.5 %. They are fits, not measurements of ours: everything simulated with them says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowir.engines.engine import LanguageModelEngine as Engine
from flowir.sim.serving.replica import Replica

GREATEST_SLOWDOWN = 2.0
"""A call takes at most so many times as long on a full engine as on an idle one."""

INPUT_TOKENS, OUTPUT_TOKENS = 1155.0, 211.0
"""Means per call of the Azure 2023 conversation trace (CC-BY-4.0; Patel et al., ISCA'24)."""


def saturation(engine: Engine) -> int:
    """The largest power of two of requests that keeps to `GREATEST_SLOWDOWN`.

    On a full engine every slot changes hands once while a call is decoded: the prefills of all hold
    it up, besides longer steps.
    """

    def takes(slots: int) -> float:
        context = slots * (INPUT_TOKENS + OUTPUT_TOKENS / 2)
        step = engine.step_s(slots, context)
        return slots * engine.prefill_s(INPUT_TOKENS) + OUTPUT_TOKENS * step

    slots = 1
    while takes(2 * slots) <= GREATEST_SLOWDOWN * takes(1):
        slots *= 2
    return slots


def _fit(name: str, a_ms: float, c_ms: float, d_ns: float, prefill_us: float) -> Engine:
    engine = Engine(
        name,
        prefill_base_s=0.0,  # a prefill joins a step that is taken anyway
        prefill_per_token_s=prefill_us / 1e6,
        decode_base_s=a_ms / 1e3,
        decode_per_request_s=c_ms / 1e3,
        decode_per_context_token_s=d_ns / 1e9,
    )
    return replace(engine, slots=saturation(engine))


SMALL = _fit("8b", 9.2, 0.024, 24.6, 13.3)
MIDDLE = _fit("120b-moe", 5.6, 0.314, 1.2, 33.0)
LARGE = _fit("70b", 20.0, 0.065, 88.8, 112.0)
ENGINES = (SMALL, MIDDLE, LARGE)
MODELS = tuple(engine.name for engine in ENGINES)
"""Weakest first; the last is the reference."""

SPLITS = ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2))
"""Replicas of each model."""


def cluster(replicas: Sequence[int]) -> list[Replica]:
    """Idle replicas, so many of each model."""
    return [
        Replica(f"{engine.name}/{number}", engine.name, engine)
        for engine, count in zip(ENGINES, replicas, strict=True)
        for number in range(count)
    ]
