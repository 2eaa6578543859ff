"""The published scheduler (Aragog, arXiv 2511.20975): beam search for the most gain in throughput.

First come, first served over the ready calls; each is given a choice and a free slot, or skipped
where none of its choices has one. A beam keeps the W best partial assignments, by the gain in
throughput that the throughput–load curves of the engines forecast, then by the share of
configurations that stay open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowir.serving.forecast import candidate
from flowir.serving.requests import EngineLoad, Placement, ReadyCall, ServedRequest
from flowir.serving.sets import ConfigurationSet


@dataclass(frozen=True)
class Partial:
    """Some calls assigned.

    Attributes:
        gain: in calls per second.
        kept: product of the shares of configurations kept open.
        batch: requests per endpoint.
        open: sets of requests that were narrowed.
        chosen: (call, choice, endpoint) in order.
    """

    gain: float
    kept: float
    batch: tuple[int, ...]
    open: dict[str, ConfigurationSet]
    chosen: tuple[tuple[ReadyCall, int, int], ...] = ()


class BeamThroughput:
    """See the module. A width of 1 is the greedy scheduler.

    Args:
        width: partial assignments kept; published: 4.
    """

    def __init__(self, width: int = 4) -> None:
        self.width = width

    def place(
        self, ready: Sequence[ReadyCall], loads: Sequence[EngineLoad], now: float
    ) -> list[Placement]:
        """See :meth:`flowir.serving.scheduler.StageScheduler.place`."""
        alive = [load for load in loads if load.alive]
        slots = [load.engine.slots for load in alive]
        beam = [Partial(0.0, 1.0, tuple(load.active + load.waiting for load in alive), {})]
        for call in sorted(ready, key=lambda call: call.order):
            if all(b >= s for partial in beam for b, s in zip(partial.batch, slots, strict=True)):
                break
            grown = [
                larger
                for partial in beam
                for larger in (list(_grown(partial, call, alive)) or [partial])
            ]
            beam = sorted(grown, key=lambda p: (-p.gain, -p.kept))[: self.width]
        for call, choice, _ in beam[0].chosen:
            call.request.choose(call.stage, choice)
        return [
            Placement(call, choice, alive[number].endpoint)
            for call, choice, number in beam[0].chosen
        ]

    def forget(self, request: ServedRequest) -> None:
        """It keeps nothing of requests."""


def _grown(partial: Partial, call: ReadyCall, alive: Sequence[EngineLoad]) -> Iterator[Partial]:
    """The call with each open choice, in each free slot."""
    request = call.request
    stage = request.workflow.stages[request.workflow.level[call.stage]]
    opened = partial.open.get(request.id, request.open)
    for choice in opened.open(call.stage):
        narrowed = None
        for number, load in enumerate(alive):
            batch = partial.batch[number]
            chosen = stage.choices[choice]
            if load.model != chosen.model or batch >= load.engine.slots:
                continue
            narrowed = narrowed or opened.restrict(call.stage, choice)
            yield Partial(
                partial.gain + _gain(load, batch, call.input_tokens, chosen.output_tokens),
                partial.kept * len(narrowed) / len(opened),
                (*partial.batch[:number], batch + 1, *partial.batch[number + 1 :]),
                {**partial.open, request.id: narrowed},
                (*partial.chosen, (call, choice, number)),
            )


def _gain(load: EngineLoad, batch: int, input_tokens: float, output_tokens: float) -> float:
    """Calls per second with one more in the batch, less those without: all alike this one."""
    call = candidate(load, 0, input_tokens, output_tokens, 0.0)

    def rate(size: int) -> float:
        step = load.engine.decode_base_s + size * call.own_s
        return size / (load.slowdown * (size * call.prefill_s + call.tokens * step))

    return rate(batch + 1) - rate(batch)
