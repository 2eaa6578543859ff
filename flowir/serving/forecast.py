"""What a call would take at an endpoint, and what it would take from others there.

With b requests in flight, each decoding about as much as this call, every slot changes hands once
while the call decodes n tokens; so b prefills besides its own hold it up:

    service  = (b + 1) · prefill + n · T(b + 1)         T(b) = a + b · c + d · Σ context
    marginal = prefill + n · (c + d · context)          what it delays each of the others by
    work     = prefill + n · (a / slots + c + d · context)      its share of a full engine

A full engine ends a call every `work` seconds: so long is each call ahead in the queue waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from flowir.engines.engine import LanguageModelEngine
from flowir.serving.requests import EngineLoad

Objective = Callable[[float, float, int, float, int, float, float], float]
"""What a placement costs; the least is chosen.

Its arguments: seconds until there is a slot; seconds from then to the last token; requests that are
served beside it, and seconds by which it delays each; calls that wait for the endpoint, and seconds
by which it delays each; US dollars.
"""


def delay_cost(
    wait: float, service: float, batch: int, marginal: float, queue: int, work: float, usd: float
) -> float:
    """Seconds that all requests together lose: its own, of those in service, and of the queue."""
    return wait + service + batch * marginal + queue * work


def finish_time(
    wait: float, service: float, batch: int, marginal: float, queue: int, work: float, usd: float
) -> float:
    """Seconds until the call has ended."""
    return wait + service


def dollars(
    wait: float, service: float, batch: int, marginal: float, queue: int, work: float, usd: float
) -> float:
    """US dollars; of equal ones, the earliest to end."""
    return usd + TIE * (wait + service)


TIE = 1e-9
"""US dollars a second counts for where dollars are what matters: less than any price."""


def work_s(engine: LanguageModelEngine, input_tokens: float, output_tokens: float) -> float:
    """Seconds of a full engine that one call takes, the least it can take of any.

    Contexts grow while decoding: on average by half of the output.
    """
    context = input_tokens + (output_tokens - 1) / 2
    step = engine.decode_base_s / engine.slots + engine.decode_per_request_s
    return engine.prefill_s(input_tokens) + output_tokens * (
        step + engine.decode_per_context_token_s * context
    )


class Candidate(NamedTuple):
    """A call at an endpoint that runs as its profile says.

    A tuple, since every round makes many: a frozen dataclass takes four times as long to make.

    Attributes:
        choice: of the stage.
        prefill_s: alone.
        tokens: to be decoded, expected.
        own_s: by which it makes each step longer.
        work_s: of a full engine.
    """

    choice: int
    endpoint: str
    prefill_s: float
    tokens: float
    own_s: float
    work_s: float
    usd: float


def candidate(
    load: EngineLoad, choice: int, input_tokens: float, output_tokens: float, usd: float
) -> Candidate:
    """Of a call with so many tokens."""
    engine = load.engine
    context = input_tokens + 0.5 * output_tokens
    return Candidate(
        choice,
        load.endpoint,
        engine.prefill_s(input_tokens),
        output_tokens,
        engine.decode_per_request_s + engine.decode_per_context_token_s * context,
        work_s(engine, input_tokens, output_tokens),
        usd,
    )


class EndpointView:
    """One endpoint during a round: what was seen, and what the round has decided since.

    Attributes:
        batch: requests in flight or sent.
        step_s: of one decode step of all in flight.
        ahead_s: work of calls that wait for it and are older than the one considered.
        queue, queue_s: calls that wait for it, all, and their work.
    """

    __slots__ = (
        "ahead_s",
        "batch",
        "endpoint",
        "model",
        "queue",
        "queue_s",
        "slots",
        "slowdown",
        "step_s",
    )

    def __init__(self, load: EngineLoad, queue: int = 0, queue_s: float = 0.0) -> None:
        self.endpoint = load.endpoint
        self.model = load.model
        self.slots = load.engine.slots
        self.slowdown = load.slowdown
        self.batch = load.active + load.waiting
        self.step_s = load.engine.step_s(min(self.batch, self.slots), load.context_tokens)
        self.ahead_s = 0.0
        self.queue = queue
        self.queue_s = queue_s

    def has_slot(self) -> bool:
        """Whether a call sent now would get one at once."""
        return self.batch < self.slots

    def cost(self, call: Candidate, objective: Objective, ahead_s: float, queue: int) -> float:
        """Of a call that waits for calls that are worth so many seconds; see the module.

        A slot that is free is one that others may wait for, too: they have not been asked yet.

        Args:
            queue: other calls that want the endpoint.
        """
        slow, batch, slots = self.slowdown, self.batch, self.slots
        prefill, decode, work = slow * call.prefill_s, slow * call.tokens, slow * call.work_s
        marginal = prefill + decode * call.own_s
        if batch < slots:
            service = prefill * (batch + 1) + decode * (self.step_s + call.own_s)
            return objective(0.0, service, batch, marginal, queue, work, call.usd)
        wait = ahead_s + (batch - slots + 1) * work
        service = prefill * slots + decode * self.step_s
        return objective(wait, service, slots - 1, marginal, queue, work, call.usd)

    def take(self, call: Candidate) -> None:
        """A call was placed here."""
        self.batch += 1
        self.step_s += call.own_s
