"""What the profiler may ask: examples of what a sub-agent was given, and requests made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowir.configuration import Configuration
from flowir.profile.calls import PROFILE, Key

Messages = tuple[tuple[str, str], ...]
"""Chat messages as (role, content)."""


@dataclass(frozen=True)
class Example:
    """One input of a sub-agent.

    Attributes:
        variant: tells several inputs of one query apart.
        expected: the right answer or, where it is a list, the right answers; None where what is
            right is not known and only amounts are measured.
        fields: of the query, for judges.
        input_correct: whether what upstream calls made of it is right.
        proxy: what stands in for a label; empty where `expected` comes from one.
        candidates: of a selector, the texts it picks from.
    """

    agent: str
    query: str
    messages: Messages
    expected: Any = None
    variant: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    input_correct: bool = True
    proxy: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """A call that may be made: an example under a configuration."""

    key: Key
    messages: Messages
    example: Example | None = None

    @property
    def model(self) -> str:
        """Who is asked."""
        return self.key.configuration.model


def request(example: Example, configuration: Configuration, repetition: int = 0) -> Request:
    """The request for one more draw of an example under a configuration."""
    key = Key(PROFILE, example.agent, configuration, example.query, example.variant, repetition)
    return Request(key, example.messages, example)
