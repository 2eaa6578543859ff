"""What every scheduler does: places calls that are ready on endpoints, from what it sees of them.

A scheduler is a state machine without a clock, threads or inputs of its own: the simulator and the
server drive the same objects. `place` is asked whenever a call becomes ready or a slot may have
become free. A call that is not placed stays ready, and is offered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowir.serving.requests import EngineLoad, Placement, ReadyCall, ServedRequest


class StageScheduler(Protocol):
    """Places ready calls, and makes each choice where it places the first call of a stage."""

    def place(
        self, ready: Sequence[ReadyCall], loads: Sequence[EngineLoad], now: float
    ) -> list[Placement]:
        """What to send now, at most as many calls to an endpoint as it has free slots.

        Each placement has been made known to its request (:meth:`ServedRequest.choose`).

        Args:
            ready: calls whose inputs are there and that were not placed, in any order.
            loads: one per endpoint.
            now: seconds, on the clock of arrivals and deadlines.
        """
        ...

    def forget(self, request: ServedRequest) -> None:
        """The request has ended, or was given up."""
        ...
