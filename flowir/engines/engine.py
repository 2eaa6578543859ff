"""What an engine does at a time, and how long it takes: the numbers a scheduler plans with.

Two kinds. A language model serves requests that join and leave at every step (continuous
batching); a batch engine (embedding, search, reranking, a tool) takes a batch, and is busy until
all of it is done.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

UNLIMITED = 2**62


@dataclass(frozen=True)
class LanguageModelEngine:
    """One replica of a language model.

    A decode step of b requests takes

        T = decode_base_s + b · decode_per_request_s + (Σ context) · decode_per_context_token_s

    Attributes:
        prefill_base_s: of each prefill call; paid again by each part of a prefill that is split.
        prefill_per_token_s: of tokens that no cache of prefixes holds.
        slots: requests that may be decoding or prefilling at the same time.
        kv_tokens: tokens of context that fit, of all requests together.
        prefill_batch_tokens: prefills that wait are done together up to so many new tokens.
        simulated: not fitted to measurements of a real engine.
    """

    name: str
    prefill_base_s: float
    prefill_per_token_s: float
    decode_base_s: float
    decode_per_request_s: float = 0.0
    decode_per_context_token_s: float = 0.0
    slots: int = 256
    kv_tokens: int = UNLIMITED
    prefix_cache: bool = True
    simulated: bool = True
    prefill_batch_tokens: float = 8192.0

    def prefill_s(self, tokens: float) -> float:
        """Seconds of one prefill call of so many tokens, alone."""
        return self.prefill_base_s + self.prefill_per_token_s * tokens

    def step_s(self, requests: float, context_tokens: float) -> float:
        """Seconds of one decode step; `context_tokens` of all requests together."""
        return (
            self.decode_base_s
            + self.decode_per_request_s * requests
            + self.decode_per_context_token_s * context_tokens
        )

    def decode_s(self, output_tokens: float, context_tokens: float) -> float:
        """Seconds to decode one request alone, whose context grows by a token at each step."""
        grown = output_tokens * context_tokens + output_tokens * (output_tokens - 1) / 2
        return (
            output_tokens * (self.decode_base_s + self.decode_per_request_s)
            + self.decode_per_context_token_s * grown
        )


@dataclass(frozen=True)
class BatchEngine:
    """One replica of an engine that takes batches.

    Attributes:
        base_s, per_item_s, per_token_s: a batch of n items with t tokens in all takes
            `base_s + n · per_item_s + t · per_token_s`.
        largest_batch: items in a batch, at most.
        efficient_batch: beyond so many items a larger batch gains too little to wait for.
        slots: batches that may run at the same time.
    """

    name: str
    base_s: float
    per_item_s: float = 0.0
    per_token_s: float = 0.0
    largest_batch: int = 256
    efficient_batch: int = 16
    slots: int = 1
    simulated: bool = True

    def batch_s(self, items: float, tokens: float = 0.0) -> float:
        """Seconds of one batch."""
        return self.base_s + self.per_item_s * items + self.per_token_s * tokens

    def alone_s(self, items: int, tokens: float = 0.0) -> float:
        """Seconds of so many items on an idle engine, in batches one after another, or in slots."""
        batches = max(1, math.ceil(items / self.largest_batch))
        rounds = math.ceil(batches / self.slots)
        return rounds * self.batch_s(items / batches, tokens / batches)


Engine = LanguageModelEngine | BatchEngine
