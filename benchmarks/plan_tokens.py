"""Tokens of a plan and of a sequential agent, counted from prompts and answers of scripted runs.

Both are told the same tools and the same question, and are shown the same results. The sequential
agent is shown everything again before each call, and writes a thought of one short sentence.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.plan_ways import Record
from flowir.examples.plans.asking import joiner_messages, planner_messages
from flowir.plan.values import shown, written
from flowir.runtime.fetching import Observation
from flowir.runtime.llm import Message

OUTPUT_PRICE = 3.0
"""Price of a written token over that of a read one: as of GPT-4 Turbo."""

AGENT = """\
You answer a question by calling tools, one at a time. Write

Thought: what to do next, and why
Action: tool("argument", 2)

and wait for the observation. When you know the answer, write Action: Finish(the answer).
"""


@dataclass(frozen=True)
class Tokens:
    """Read and written by all model calls of one question."""

    read: int
    written: int

    @property
    def cost(self) -> float:
        """In prices of one read token."""
        return self.read + OUTPUT_PRICE * self.written


Counter = Callable[[str], int]


def counter() -> tuple[Counter, str]:
    """Counts tokens of a text; and what it counts, in words."""
    try:
        import tiktoken

        # litellm ships the table of this encoding, so that it need not be fetched.
        place = importlib.util.find_spec("litellm")
        if place is not None and place.origin is not None:
            tables = Path(place.origin).parent / "litellm_core_utils" / "tokenizers"
            os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(tables))
        encoding = tiktoken.get_encoding("cl100k_base")
    except (ImportError, OSError, ValueError):
        return lambda text: -(-len(text) // 4), "a token taken as four characters"
    return lambda text: len(encoding.encode_ordinary(text)), "tokens of cl100k_base"


def of_plans(record: Record, count: Counter) -> Tokens:
    """Of planner and joiner."""
    read = [planner_messages(asked.request) for asked in record.plans]
    read += [joiner_messages(asked.request) for asked in record.joins]
    answers = [asked.text for asked in (*record.plans, *record.joins)]
    return Tokens(sum(_read(messages, count) for messages in read), sum(map(count, answers)))


def of_agent(record: Record, count: Counter) -> Tokens:
    """Of an agent that makes the same calls one after another."""
    request = record.plans[0].request
    told = f"Tools:\n{request.tools}\n\nQuestion: {request.question}\n\n"
    observations = record.observations
    transcript, read, answers = "", 0, 0
    for observation in observations:
        turn = _turn(observation)
        read += _read(_messages(told + transcript), count)
        answers += count(turn)
        transcript += f"{turn}\nObservation: {shown(observation.value)}\n"
    last = f"Thought: I know the answer now.\nAction: Finish({record.solution.answer})"
    return Tokens(read + _read(_messages(told + transcript), count), answers + count(last))


def _turn(observation: Observation) -> str:
    task = observation.task
    given = ", ".join(
        shown(observation.arguments[name]) if name in observation.arguments else written(value)
        for name, value in task.arguments
    )
    thought = f"Thought: I need the result of {task.tool} for the next step."
    return f"{thought}\nAction: {task.tool}({given})"


def _messages(asked: str) -> list[Message]:
    return [{"role": "system", "content": AGENT}, {"role": "user", "content": asked}]


def _read(messages: Sequence[Message], count: Counter) -> int:
    return sum(count(message["content"]) for message in messages)
