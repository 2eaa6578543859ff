"""Plans that are no text: parallel tool calls as the OpenAI API has them, and JSON.

    {"tasks": [{"id": 1, "tool": "search", "arguments": {"query": "the price of $1"}}, …]}

References stand in the strings, as in a plan's text. `line` of a finding counts the tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowir.plan.arguments import MAX_DEPTH, read_text
from flowir.plan.checks import Checks
from flowir.plan.diagnostics import Diagnostic
from flowir.plan.events import Event, Join
from flowir.plan.signatures import Signature
from flowir.plan.values import Record, Value


def read_tool_calls(
    calls: Sequence[Any], tools: Iterable[Signature], *, first: int = 1, repair: bool = False
) -> list[Event]:
    """The tasks of an assistant message's `tool_calls`: numbered in order, none refers to another.

    Never raises on account of what the calls say.
    """
    checks = Checks({tool.name: tool for tool in tools}, repair, first, set())
    events: list[Event] = []
    for place, call in enumerate(calls, 1):
        function = call.get("function") if isinstance(call, Mapping) else None
        name = function.get("name") if isinstance(function, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(name, str):
            message = f"no call of a function: {str(call)[:60]!r}"
            events.append(Diagnostic("error", place, 1, message, checks.next))
            checks.next += 1
            continue
        arguments = _loaded(function.get("arguments") or "{}")
        if not isinstance(arguments, Mapping):
            message = f"{name}: 'arguments' is no JSON object"
            events.append(Diagnostic("error", place, 1, message, checks.next))
            checks.next += 1
            continue
        named = [(str(key), _literal(value)) for key, value in arguments.items()]
        events += checks.call(checks.next, name, (), named, place)
    return [*events, Join(checks.next, len(calls) + 1)]


def read_json_plan(
    text: str | Mapping[str, Any],
    tools: Iterable[Signature],
    *,
    repair: bool = False,
    first: int = 1,
    known: Iterable[int] = (),
) -> list[Event]:
    """The tasks of a plan in JSON; one without an `id` gets the next number.

    Never raises on account of what the plan says.
    """
    checks = Checks({tool.name: tool for tool in tools}, repair, first, set(known))
    plan = _loaded(text) if isinstance(text, str) else text
    tasks = plan.get("tasks") if isinstance(plan, Mapping) else None
    if not isinstance(tasks, Sequence) or isinstance(tasks, str):
        wanted = '{"tasks": [{"id": 1, "tool": "…", "arguments": {…}}, …]}'
        return [Diagnostic("error", 1, 1, f"no plan; JSON of the form {wanted} is wanted")]
    events: list[Event] = []
    for place, task in enumerate(tasks, 1):
        found = task if isinstance(task, Mapping) else {}
        name, number = found.get("tool"), found.get("id")
        arguments = found.get("arguments") or {}
        numbered = number is None or (isinstance(number, int) and not isinstance(number, bool))
        if not isinstance(name, str) or not isinstance(arguments, Mapping) or not numbered:
            message = f"no task: {str(task)[:60]!r}; it wants 'tool', and 'arguments' by name"
            events.append(Diagnostic("error", place, 1, message))
            continue
        named = [(str(key), _value(value)) for key, value in arguments.items()]
        events += checks.call(number, name, (), named, place)
        if events and isinstance(events[-1], Join):
            return events
    return [*events, Join(checks.next, len(tasks) + 1)]


def _loaded(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _value(found: Any, depth: int = 0) -> Value:
    match found:
        case str():
            return read_text(found)
        case Mapping() if depth < MAX_DEPTH:
            return Record(tuple((str(k), _value(v, depth + 1)) for k, v in found.items()))
        case list() | tuple() if depth < MAX_DEPTH:
            return tuple(_value(inner, depth + 1) for inner in found)
        case bool() | int() | float() | None:
            return found
        case _:
            return str(found)


def _literal(found: Any, depth: int = 0) -> Value:
    """Like a value, where a dollar sign is only that."""
    match found:
        case Mapping() if depth < MAX_DEPTH:
            return Record(tuple((str(k), _literal(v, depth + 1)) for k, v in found.items()))
        case list() | tuple() if depth < MAX_DEPTH:
            return tuple(_literal(inner, depth + 1) for inner in found)
        case str() | bool() | int() | float() | None:
            return found
        case _:
            return str(found)
