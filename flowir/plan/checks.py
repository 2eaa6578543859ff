"""What the tasks so far make of the next one: known tools, fitting arguments, free numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

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
        signature = self.tools.get(name)
        if signature is None:
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
        if signature is None or findings.bad:
            self.refuse(number)
        elif stands:
            self.refused.discard(number)
            self.known.add(number)
            self.lines[number] = line
            if self.repair:
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
            plain.setdefault(_letters(tool), []).append(tool)
        found = difflib.get_close_matches(_letters(name), list(plain), n=2, cutoff=_CLOSE_ENOUGH)
        if _letters(name) in plain:
            found = [_letters(name)]
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
        resolve = _Resolve(known, refused, column, findings)
        positional = [resolve(value) for value in positional]
        named = [(name, resolve(value)) for name, value in named]
        bound, problems = bind(signature, positional, named)
        if self.repair and problems:
            bound, problems = self._as_text(signature, positional, named, bound, problems)
            if not problems:
                findings.say("repaired", column, f"{signature.name}: a plain value is read as text")
        for problem in problems:
            findings.say("error", column, f"{signature.name} {problem}")
        if resolve.tasks <= known:
            return bound
        for reference in (found for _, value in bound for found in references(value)):
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


class _Findings:
    """What there is to say of one task."""

    __slots__ = ("found", "line", "task")

    def __init__(self, line: int, task: int) -> None:
        self.line = line
        self.task = task
        self.found: list[Diagnostic] = []

    @property
    def bad(self) -> bool:
        return bool(self.found) and any(one.severity == "error" for one in self.found)

    def say(self, severity: Severity, column: int, message: str) -> None:
        self.found.append(Diagnostic(severity, self.line, column, message, self.task))


class _Resolve:
    """Makes text that only looks like a reference text, and text that is one reference that.

    Attributes:
        tasks: numbers of the tasks that were referred to.
    """

    def __init__(
        self, known: set[int], refused: set[int], column: int, findings: _Findings
    ) -> None:
        self.known = known
        self.refused = refused
        self.column = column
        self.findings = findings
        self.tasks: set[int] = set()

    def __call__(self, value: Value) -> Value:
        if isinstance(value, str):
            return value
        if isinstance(value, Reference):
            self.tasks.add(value.task)
        elif isinstance(value, Template):
            return self._text(value)
        elif isinstance(value, tuple):
            return tuple([self(inner) for inner in value])
        elif isinstance(value, Record):
            return Record(tuple([(key, self(inner)) for key, inner in value.entries]))
        return value

    def _text(self, text: Template) -> Value:
        for part in text.parts:
            if isinstance(part, Reference):
                if part.task not in self.known and part.task not in self.refused:
                    return self._mixed(text)
                self.tasks.add(part.task)
        only = text.parts[0]
        return only if len(text.parts) == 1 and isinstance(only, Reference) else text

    def _mixed(self, text: Template) -> Value:
        """Text of which some references are text."""
        parts: list[str | Reference] = []
        for part in text.parts:
            if isinstance(part, Reference):
                if part.task in self.known or part.task in self.refused:
                    self.tasks.add(part.task)
                    parts.append(part)
                    continue
                part = self._as_written(part)
            if parts and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
        return parts[0] if len(parts) == 1 else Template(tuple(parts))

    def _as_written(self, reference: Reference) -> str:
        self.findings.say(
            "warning", self.column,
            f"{reference.written} in a text refers to no task so far and stays as it is; "
            f"write $${reference.written[1:]} to say so",
        )  # fmt: skip
        return reference.written


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
