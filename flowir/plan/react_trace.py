"""Recorded runs of a sequential agent: thought, action, observation, one after another.

    {"question": "How high is Everest?"}
    {"thought": "look it up", "action": {"tool": "search", "arguments": {"query": "Everest"}},
     "observation": {"height": 8848}}

is a trace in JSON lines; `"action": "search", "action_input": …` is read too. A JSON list is read
as the messages of the OpenAI API: tool calls and the `tool` messages that answer them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowir.errors import FlowirError

FINISH = frozenset({"finish", "final answer", "final_answer"})
"""Actions that end a run; by other agents' names too."""


class TraceError(FlowirError):
    """A recorded run that cannot be read."""


@dataclass(frozen=True)
class Step:
    """One call of a tool that was made.

    Attributes:
        arguments: by parameter.
        observation: what it gave.
        sees: how many steps' observations the agent had when it wrote this call.
        thought: the agent's, if it was recorded.
    """

    tool: str
    arguments: Mapping[str, Any]
    observation: Any
    sees: int
    thought: str = ""


@dataclass(frozen=True)
class Trace:
    """A recorded run: what was asked, and every call."""

    question: str
    steps: tuple[Step, ...]


def read_trace(text: str) -> Trace:
    """A trace, in JSON lines or as a list of messages.

    Raises:
        TraceError: it is neither; says where.
    """
    if text.lstrip().startswith("["):
        return _messages(_json(text, "the trace"))
    question = ""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _json(line, f"line {number}")
        if not isinstance(found, Mapping):
            raise TraceError(f"line {number}: no JSON object: {line.strip()[:60]!r}")
        question = str(found.get("question", question))
        if "action" in found and (step := _step(found, number, len(steps))) is not None:
            steps.append(step)
    if not steps:
        raise TraceError('no step; write lines such as {"action": {"tool": …}, "observation": …}')
    return Trace(question, tuple(steps))


def _step(found: Mapping[str, Any], number: int, sees: int) -> Step | None:
    """One line's step, None where it finishes."""
    action = found["action"]
    if isinstance(action, Mapping):
        tool, arguments = action.get("tool"), action.get("arguments", {})
    else:
        tool, arguments = action, found.get("action_input", {})
    if not isinstance(tool, str):
        raise TraceError(f"line {number}: the action names no tool: {str(action)[:60]!r}")
    if tool.lower() in FINISH:
        return None
    if not isinstance(arguments, Mapping):
        arguments = {"input": arguments}
    if "observation" not in found:
        raise TraceError(f"line {number}: {tool} has no observation; write what it gave")
    return Step(tool, arguments, found["observation"], sees, str(found.get("thought") or ""))


@dataclass
class _Reading:
    """Messages so far."""

    question: list[str] = field(default_factory=list)
    calls: list[tuple[str, str, Mapping[str, Any], int, str]] = field(default_factory=list)
    observed: dict[str, Any] = field(default_factory=dict)


def _messages(messages: Any) -> Trace:
    reading = _Reading()
    for place, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            raise TraceError(f"message {place}: no JSON object: {str(message)[:60]!r}")
        content = message.get("content") or ""
        match message.get("role"):
            case "system" | "developer" | "user":
                reading.question.append(_plain(content))
            case "assistant":
                for call in message.get("tool_calls") or ():
                    _called(reading, call, _plain(content), place)
            case "tool":
                reading.observed[str(message.get("tool_call_id"))] = _plain(content)
    steps = []
    for identity, tool, arguments, sees, thought in reading.calls:
        if identity not in reading.observed:
            raise TraceError(f"no tool message answers the call {identity} of {tool}")
        steps.append(Step(tool, arguments, reading.observed[identity], sees, thought))
    if not steps:
        raise TraceError("no message has tool_calls, so there is no step")
    return Trace("\n".join(reading.question), tuple(steps))


def _called(reading: _Reading, call: Any, thought: str, place: int) -> None:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise TraceError(f"message {place}: no call of a function: {str(call)[:60]!r}")
    written = function.get("arguments") or "{}"
    arguments = _json(written, f"message {place}") if isinstance(written, str) else written
    if not isinstance(arguments, Mapping):
        raise TraceError(f"message {place}: 'arguments' is no JSON object: {str(written)[:60]!r}")
    # What has been answered so far was in sight. Calls are answered in the order they were made.
    sees = sum(identity in reading.observed for identity, *_ in reading.calls)
    reading.calls.append((str(call.get("id")), function["name"], arguments, sees, thought))


def _plain(content: Any) -> str:
    """The text of a message, whose content may be a list of parts."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return str(content)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{where}: no JSON: {error}") from error
