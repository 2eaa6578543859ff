"""A plan's text, read as it arrives: any split of it gives the same events.

    plan    := (["Thought:" text] task)* [INT ". "] "join()" ["<END_OF_PLAN>"]
    task    := INT ". " NAME "(" arguments ")" ["#" comment]

A task is out the moment its closing bracket is there, where its arguments are literals
(`flowir.plan.arguments`), and at the end of its line, where they are bare text (`search(In Cold
Blood)`: up to the last bracket of the line). A literal may go over several lines; a line that
begins a task ends whatever was left open before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from flowir.plan.arguments import (
    CLOSING,
    ArgumentReader,
    Arguments,
    NotRead,
    read_arguments,
    read_text,
    read_value,
)
from flowir.plan.checks import Checks
from flowir.plan.diagnostics import Diagnostic
from flowir.plan.events import Event, Join, Thought
from flowir.plan.signatures import Parameter, Signature
from flowir.plan.values import Value

END_OF_PLAN = "<END_OF_PLAN>"
MAX_HELD = 20_000
"""Characters over which a literal may go on, lines later. In a longer line a task is out with the
end of the line only, so that no piece of text costs more than this."""

_HEAD = re.compile(r"[ \t]*([0-9]{1,9})\.[ \t]*([A-Za-z_][\w.\-]*)[ \t]*\(", re.ASCII)
_LOOSE = re.compile(
    r"[ \t>*`-]*(?:(?:task[ \t]*)?\$?([0-9]{1,9})[ \t]*[.):][ \t]*)?"
    r"[ \t*`]*([A-Za-z_][\w.\-]*)[ \t*`]*\(",
    re.ASCII | re.IGNORECASE,
)
_BEGINS = re.compile(
    r"[ \t>*`-]*(?:[0-9]{1,9}[ \t]*[.):][ \t]*[A-Za-z_]|Thought:|<END_OF_PLAN>|```)"
)
_THOUGHT = re.compile(r"[ \t]*Thought:[ \t]*(.*)", re.DOTALL)
_FENCE = re.compile(r"[ \t]*```\w*[ \t]*|[ \t]*#.*")
_MARK = re.compile(r"\\.|[\"'()\[\]{},]", re.DOTALL)


@dataclass(frozen=True)
class Limits:
    """How much of a plan is read; a planner that never ends is stopped here.

    Attributes:
        tasks: of one plan.
        characters: of one plan.
    """

    tasks: int = 1000
    characters: int = 1_000_000


class PlanReader:
    """Reads one plan.

    Args:
        tools: signatures of the tools that a plan may call.
        repair: mend what is unambiguous (a bracket left open at the end of a line, a tool's name
            misspelt, a number left out, a plan without its join) and say so.
        first: the number of the first task; a plan after another goes on counting.
        known: numbers of earlier plans' tasks, whose results may be referred to.

    Never raises on account of the text.
    """

    def __init__(
        self,
        tools: Iterable[Signature],
        *,
        repair: bool = False,
        first: int = 1,
        known: Iterable[int] = (),
        limits: Limits | None = None,
    ) -> None:
        self._checks = Checks({tool.name: tool for tool in tools}, repair, first, set(known))
        self._limits = limits or Limits()
        self._pending: list[str] = []
        self._line = ""
        self._line_number = 1
        self._call: _Call | None = None
        self._settled = False
        self._released = 0
        self._held: _Held | None = None
        self._characters = 0
        self._over = False

    @property
    def over(self) -> bool:
        """Whether the plan has ended: nothing that follows is read."""
        return self._over

    def feed(self, text: str) -> list[Event]:
        """What the next piece of text completes."""
        if self._over:
            return []
        self._characters += len(text)
        self._pending.append(text)
        if "\n" in text or self._characters > self._limits.characters:
            return list(self._read())
        if self._settled or ")" not in text:
            return []
        text, self._pending = "".join(self._pending), []
        return self._extend(text)

    def close(self) -> list[Event]:
        """What the end of the text completes."""
        if self._over:
            return []
        events = [*self._read()]
        if not self._over:
            events += self._end_line()
        if not self._over and self._held is not None:
            events += self._last_of(self._held)
        if not self._over:
            self._over = True
            events += self._checks.end(self._line_number - 1, 1)
        return events

    def _read(self) -> Iterator[Event]:
        text, self._pending = "".join(self._pending), []
        room = self._limits.characters - (self._characters - len(text))
        too_long, text = len(text) > room, text[: max(room, 0)]
        *lines, rest = text.split("\n")
        for line in lines:
            yield from self._extend(line)
            if not self._over:
                yield from self._end_line()
            if self._over:
                return
        yield from self._extend(rest)
        if too_long and not self._over:
            self._over = True
            most = self._limits.characters
            yield Diagnostic(
                "error", self._line_number, 1,
                f"the plan is longer than {most:,} characters; what follows is not read",
            )  # fmt: skip

    def _extend(self, text: str) -> list[Event]:
        """More of the present line, whose task may be complete with it."""
        self._line += text
        if self._settled or not (stop := self._line.rfind(")") + 1):
            return []
        call = self._call = self._call or _Call.of(self._line)
        read = None if call is None else call.arguments.read(self._line, stop)
        if call is not None and isinstance(read, Arguments):
            self._released, self._settled = read.end, True
            return self._task(call.head, read, self._line_number)
        if call is None or (isinstance(read, NotRead) and read.why == "other"):
            self._settled = True
        else:
            self._settled = len(self._line) > MAX_HELD
        return []

    def _end_line(self) -> Iterator[Event]:
        line, number, released = self._line.rstrip("\r"), self._line_number, self._released
        call, held = self._call, self._held
        self._line, self._call, self._released, self._held = "", None, 0, None
        self._line_number += 1
        if released:
            yield from self._checks.after(line[released:], number, released + 1)
        elif held is not None and _BEGINS.match(line) is None and len(held.text) < MAX_HELD:
            yield from self._whole(held.call, f"{held.text}\n{line}", held.line)
        else:
            if held is not None:
                yield from self._last_of(held)
            if not self._over:
                yield from self._whole(call or _Call.of(line), line, number)
        self._settled = self._held is not None

    def _whole(self, call: _Call | None, line: str, number: int) -> Iterator[Event]:
        """A whole line, held where a literal goes over its end."""
        read = None if call is None else call.arguments.read(line)
        if call is not None and isinstance(read, NotRead) and read.why == "unfinished":
            self._held = _Held(line, number, call)
        else:
            yield from self._statement(line, number, read)

    def _last_of(self, held: _Held) -> Iterator[Event]:
        """What nothing will close any more."""
        yield from self._statement(held.text, held.line, last=True)

    def _statement(
        self, line: str, number: int, read: Arguments | NotRead | None = None, last: bool = False
    ) -> Iterator[Event]:
        """A whole line, or several that a literal goes over.

        Args:
            read: its arguments, where they have been looked at.
            last: nothing will close it.
        """
        if not line.strip():
            return
        if (thought := _THOUGHT.match(line)) is not None:
            yield Thought(thought[1].strip(), number)
            return
        if line.strip().startswith(END_OF_PLAN):
            self._over = True
            yield from self._checks.end(number, 1)
            return
        head = _HEAD.match(line)
        if head is None:
            head = yield from self._loose(line, number)
            if head is None:
                return
        if read is None:
            read = read_arguments(line, head.end())
        if isinstance(read, Arguments):
            yield from self._task(head, read, number)
            yield from self._checks.after(line[read.end :], number, read.end + 1)
        else:
            yield from self._bare(head, read, line, number, last)

    def _bare(
        self, head: re.Match[str], read: NotRead, line: str, number: int, last: bool
    ) -> Iterator[Event]:
        """A task whose arguments are no literals."""
        code = line.split(END_OF_PLAN)[0]
        end = code.rfind(")")
        comment = code.rfind(" #")
        if comment >= 0 and head.end() <= code.rfind(")", 0, comment):
            end = code.rfind(")", 0, comment)
        task = _task_number(head)
        if end < head.end() or (last and read.why == "unfinished"):
            at = len(code.rstrip())
            message = f"{read.message}: write ')' at the end of the call"
            if not self._checks.repair or "\n" in line:
                self._checks.refuse(task)
                yield Diagnostic("error", number, at + 1, message, task)
                return
            mended = _closed(code.rstrip())
            again = read_arguments(mended, head.end())
            yield Diagnostic("repaired", number, at + 1, "a call left open is closed here", task)
            if isinstance(again, Arguments):
                yield from self._task(head, again, number)
                return
            text = code[head.end() :].rstrip().rstrip("\"'")
        else:
            text = code[head.end() : end]
        signature = self._checks.tools.get(head[2])
        parameters = () if signature is None else signature.parameters
        positional, named = _bare_arguments(text, parameters)
        yield from self._task(head, Arguments(positional, named, end + 1), number)

    def _loose(self, line: str, number: int) -> Generator[Event, None, re.Match[str] | None]:
        """A task's beginning that is not quite as it should be."""
        head = _LOOSE.match(line)
        wanted = f"write tasks as `{self._checks.next}. tool(arguments)`"
        if head is None or (head[1] is None and self._checks.nearest(head[2]) != head[2]):
            if not (self._checks.repair and _FENCE.fullmatch(line)):
                message = f"no task: {line.strip()[:60]!r}; {wanted}"
                yield Diagnostic("error", number, 1, message)
            return None
        task = _task_number(head)
        if self._checks.repair:
            yield Diagnostic("repaired", number, 1, f"read as a task; {wanted}", task)
            return head
        self._checks.refuse(task)
        yield Diagnostic("error", number, 1, f"not quite a task; {wanted}", task)
        return None

    def _task(self, head: re.Match[str], read: Arguments, number: int) -> list[Event]:
        columns = (head.start(1) + 1, head.start(2) + 1, head.end() + 1)
        call = (_task_number(head), head[2], read.positional, read.named)
        events = list(self._checks.call(*call, number, columns))
        self._over = bool(events) and isinstance(events[-1], Join)
        if len(self._checks.known) > self._limits.tasks + self._checks.before and not self._over:
            self._over = True
            message = f"the plan has more than {self._limits.tasks} tasks; what follows is not read"
            events.append(Diagnostic("error", number, 1, message))
        return events


@dataclass(frozen=True)
class _Call:
    """A line that begins as a task, and its arguments so far."""

    head: re.Match[str]
    arguments: ArgumentReader

    @staticmethod
    def of(line: str) -> _Call | None:
        head = _HEAD.match(line)
        return None if head is None else _Call(head, ArgumentReader(head.end()))


@dataclass(frozen=True)
class _Held:
    """Whole lines that a literal goes over, and the number of the first."""

    text: str
    line: int
    call: _Call


def _bare_arguments(
    text: str, parameters: tuple[Parameter, ...]
) -> tuple[tuple[Value, ...], tuple[tuple[str, Value], ...]]:
    """Bare text: one argument, or, where a tool takes several, one for each part between commas."""
    names = {parameter.name for parameter in parameters}
    pieces = list(_split(text)) if len(parameters) > 1 else [text]
    positional: list[Value] = []
    named: list[tuple[str, Value]] = []
    for piece in pieces:
        keyword = re.match(r"\s*([A-Za-z_]\w*)\s*=(?!=)", piece, re.ASCII)
        if keyword is not None and keyword[1] in names:
            named.append((keyword[1], _bare_value(piece[keyword.end() :])))
        else:
            positional.append(_bare_value(piece))
    return tuple(positional), tuple(named)


def _bare_value(text: str) -> Value:
    value = read_value(text)
    return read_text(text.strip()) if isinstance(value, NotRead) else value


def _split(text: str) -> Iterator[str]:
    """Parts between the commas that stand in no bracket and no quote."""
    depth, start = 0, 0

    def opens(at: int) -> bool:
        return text[at] == '"' or not text[start:at].strip()

    for at, mark in _marks(text, opens):
        if mark in CLOSING:
            depth += 1
        elif mark in ")]}":
            depth = max(depth - 1, 0)
        elif mark == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _closed(line: str) -> str:
    """A line with its open quote and brackets closed, innermost first."""
    open_: list[str] = []
    for _, mark in _marks(line, lambda at: True):
        if mark in CLOSING:
            open_.append(CLOSING[mark])
        elif open_ and mark == open_[-1]:
            open_.pop()
        elif mark in "\"'":
            line += mark
    return line + "".join(reversed(open_))


def _marks(text: str, opens: Callable[[int], bool]) -> Iterator[tuple[int, str]]:
    """Brackets and commas outside of quotes, and in the end a quote that is left open.

    Args:
        opens: whether a quote that stands outside of quotes begins a string, or is plain text.
    """
    quote, begun = "", 0
    for found in _MARK.finditer(text):
        mark, at = found[0], found.start()
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote, begun = (mark, at) if opens(at) else ("", 0)
        elif len(mark) == 1:
            yield at, mark
    if quote:
        yield begun, quote


def _task_number(head: re.Match[str]) -> int | None:
    return None if head[1] is None else int(head[1])


def read_plan(
    text: str,
    tools: Iterable[Signature],
    *,
    repair: bool = False,
    first: int = 1,
    known: Iterable[int] = (),
) -> list[Event]:
    """All events of a whole plan."""
    reader = PlanReader(tools, repair=repair, first=first, known=known)
    return [*reader.feed(text), *reader.close()]
