"""What the tasks so far make of the next one: known tools, fitting arguments, free numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowir.plan.diagnostics import Diagnostic, Severity
from flowir.plan.events import Event, Join, Task
from flowir.plan.signatures import Bound, Signature, bind, is_of, may_be
from flowir.plan.values import Record, Reference, Template, Value, references, shown

JOIN = "join"

_AFTER = re.compile(r"[ \t]*(?:#.*|<END_OF_PLAN>.*)?")
_CLOSE_ENOUGH = 0.75


class Checks:
    """The tasks of a plan as they come, and what each of them may refer to.

    Attributes:
        known: numbers of tasks that stand, earlier plans' among them.
        refused: numbers of tasks that do not.
        next: the number that a task should have now.
    """

    def __init__(
        self, tools: Mapping[str, Signature], repair: bool, first: int, known: set[int]
    ) -> None:
        self.tools = tools
        self.repair = repair
        self.known = set(known)
        self.before = len(known)
        self.refused: set[int] = set()
        self.lines: dict[int, int] = {}
        self.same: dict[int, tuple[str, Bound]] = {}
        self.next = first

    def call(
        self,
        number: int | None,
        name: str,
        positional: Sequence[Value],
        named: Sequence[tuple[str, Value]],
        line: int,
        columns: tuple[int, int, int] = (1, 1, 1),
    ) -> Iterator[Event]:
        """The task, if it stands, and what there is to say.

        Args:
            number: None where it was left out: the next one.
            columns: of the number, the name and the arguments.
        """
        number = self.next if number is None else number
        findings = _Findings(line, number)
        if name.lower() == JOIN and JOIN not in self.tools:
            yield from self._join(number, line, columns[0])
            return
        signature = self._tool(name, columns[1], findings)
        arguments: Bound = ()
        if signature is not None:
            arguments = self._arguments(signature, positional, named, columns[2], findings)
        stands = self._numbered(number, columns[0], findings, (name, arguments))
        self.next = max(self.next, number + 1)
        yield from findings.found
        if findings.bad or signature is None:
            self.refuse(number)
        elif stands:
            self.refused.discard(number)
            self.known.add(number)
            self.lines[number] = line
            self.same[number] = (name, arguments)
            yield Task(number, signature.name, arguments, line)

    def refuse(self, number: int | None) -> None:
        """Tasks that refer to this number are told why it has no result."""
        if number is not None and number not in self.known:
            self.refused.add(number)

    def after(self, rest: str, line: int, column: int) -> Iterator[Event]:
        """What stands behind a call."""
        if _AFTER.fullmatch(rest.rstrip("\r")) is None:
            message = f"text after the call is not read: {rest.strip()[:60]!r}"
            yield Diagnostic("warning", line, column, message)

    def end(self, line: int, column: int) -> Iterator[Event]:
        """The end of a plan that no join closed."""
        severity: Severity = "repaired" if self.repair else "error"
        message = f"the plan has no join: its last line should be `{self.next}. join()`"
        yield Diagnostic(severity, line, column, message)
        if self.repair:
            yield Join(self.next, line)

    def _join(self, number: int, line: int, column: int) -> Iterator[Event]:
        if number in self.lines:
            message = f"number {number} is taken by the task of line {self.lines[number]}"
            yield Diagnostic("warning", line, column, message)
        yield Join(number, line)

    def _tool(self, name: str, column: int, findings: _Findings) -> Signature | None:
        if (found := self.tools.get(name)) is not None:
            return found
        near = self.nearest(name)
        known = ", ".join(self.tools) or "none"
        mend = f"did you mean {near}?" if near else f"the tools are {known}"
        if near is not None and self.repair:
            findings.say("repaired", column, f"tool {name!r} is read as {near}")
            return self.tools[near]
        findings.say("error", column, f"no tool {name!r}; {mend}")
        return None

    def nearest(self, name: str) -> str | None:
        """The one tool that a name can mean."""
        if name in self.tools:
            return name
        plain: dict[str, list[str]] = {}
        for tool in self.tools:
            plain.setdefault(_plain(tool), []).append(tool)
        found = difflib.get_close_matches(_plain(name), list(plain), n=2, cutoff=_CLOSE_ENOUGH)
        if _plain(name) in plain:
            found = [_plain(name)]
        return plain[found[0]][0] if len(found) == 1 and len(plain[found[0]]) == 1 else None

    def _arguments(
        self,
        signature: Signature,
        positional: Sequence[Value],
        named: Sequence[tuple[str, Value]],
        column: int,
        findings: _Findings,
    ) -> Bound:
        known, refused = self.known, self.refused

        def told(number: int) -> bool:
            return number in known or number in refused

        def resolved(value: Value) -> Value:
            return _resolved(value, told, column, findings)

        positional = [resolved(value) for value in positional]
        named = [(name, resolved(value)) for name, value in named]
        bound, problems = bind(signature, positional, named)
        if self.repair and problems:
            bound, problems = self._as_text(signature, positional, named, bound, problems)
            if not problems:
                findings.say("repaired", column, f"{signature.name}: a plain value is read as text")
        for problem in problems:
            findings.say("error", column, f"{signature.name} {problem}")
        for reference in (r for _, value in bound for r in references(value)):
            if reference.task in known:
                continue
            if reference.task == findings.task:
                message = f"task {findings.task} refers to itself"
            elif reference.task in refused:
                message = f"{reference} refers to a task that was refused"
            else:
                message = (
                    f"{reference} refers to no task so far; "
                    "a task may use the results of those before it"
                )
            findings.say("error", column, message)
        return bound

    def _as_text(
        self,
        signature: Signature,
        positional: Sequence[Value],
        named: Sequence[tuple[str, Value]],
        bound: Bound,
        problems: list[str],
    ) -> tuple[Bound, list[str]]:
        """Numbers where text is wanted can only have been meant as text."""
        kinds = {p.name: p.kind for p in signature.parameters}
        texts = {
            name: shown(value)
            for name, value in bound
            if kinds[name] == "text" and not may_be("text", value) and is_of("number", value)
        }
        names = list(kinds)
        again = bind(
            signature,
            [texts.get(names[i], v) if i < len(names) else v for i, v in enumerate(positional)],
            [(name, texts.get(name, value)) for name, value in named],
        )
        return again if texts and not again[1] else (bound, problems)

    def _numbered(
        self, number: int, column: int, findings: _Findings, call: tuple[str, Bound]
    ) -> bool:
        """Whether the number is free."""
        if number not in self.known:
            return True
        line = self.lines.get(number)
        where = f"line {line}" if line is not None else "an earlier plan"
        if self.repair and self.same.get(number) == call:
            findings.say("repaired", column, f"the same as task {number} of {where}, left out")
            return False
        findings.say(
            "error", column, f"number {number} is taken by a task of {where}; use {self.next}"
        )
        return False


@dataclass
class _Findings:
    """What there is to say of one task."""

    line: int
    task: int
    found: list[Diagnostic] = field(default_factory=list)

    @property
    def bad(self) -> bool:
        return any(one.severity == "error" for one in self.found)

    def say(self, severity: Severity, column: int, message: str) -> None:
        self.found.append(Diagnostic(severity, self.line, column, message, self.task))


def _resolved(value: Value, told: Callable[[int], bool], column: int, findings: _Findings) -> Value:
    """Text that only looks like a reference, as text; text that is one reference, as that."""
    match value:
        case Template(parts=(Reference() as only,)) if told(only.task):
            return only
        case Template():
            parts: list[str | Reference] = []
            for part in value.parts:
                if isinstance(part, Reference) and not told(part.task):
                    findings.say(
                        "warning", column,
                        f"{part.written} in a text refers to no task so far and stays as it is; "
                        f"write $${part.written[1:]} to say so",
                    )  # fmt: skip
                    part = part.written
                if isinstance(part, str) and parts and isinstance(parts[-1], str):
                    parts[-1] += part
                else:
                    parts.append(part)
            only_text = len(parts) == 1 and isinstance(parts[0], str)
            return str(parts[0]) if only_text else replace(value, parts=tuple(parts))
        case Record():
            return Record(
                tuple((key, _resolved(v, told, column, findings)) for key, v in value.entries)
            )
        case tuple():
            return tuple(_resolved(inner, told, column, findings) for inner in value)
        case _:
            return value


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
