"""Judges: whether an answer is right, as a number from 0 to 1.

A judge that cannot tell for reasons of the environment raises `CannotJudgeError`: the call then
counts as not judged, never as wrong.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import math
import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, runtime_checkable

from flowir.errors import ProfilerError
from flowir.profiler.sandbox import SandboxError, run_python

RELATIVE = 1e-6
"""Numbers that differ by less than this share are equal."""
_NUMBER = re.compile(r"[-−+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?(?:\s*/\s*\d+)?")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


class CannotJudgeError(Exception):
    """The judge could not tell: it failed, not the answer."""


@dataclass(frozen=True)
class Case:
    """What a judge is shown.

    Attributes:
        answer: what the sub-agent's parser gives of the model's text, as a prompt shows it.
        expected: one right answer.
        fields: of the query.
    """

    answer: str
    expected: Any
    fields: Mapping[str, Any]


class Judge(Protocol):
    """Judges one case; `name` says by what. May be asked for several cases at once.

    Raises:
        CannotJudgeError: see there.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, case: Case) -> Awaitable[float]: ...


@runtime_checkable
class Unaided(Judge, Protocol):
    """A judge that can also tell where no right answer is known: `expected` is None then."""

    needs_no_answer: ClassVar[bool]


@dataclass(frozen=True)
class Computed:
    """A judge that only computes."""

    name: str
    score: Callable[[str, str], float]

    async def __call__(self, case: Case) -> float:
        return self.score(case.answer, str(case.expected))


def exact(answer: str, expected: str) -> float:
    """1 iff the texts are equal up to white space, case and Unicode's compatible forms."""
    return float(_folded(answer) == _folded(expected))


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def numeric(answer: str, expected: str) -> float:
    """1 iff the last number of the answer is the expected one, up to a relative 1e-6."""
    wanted, found = last_number(expected), last_number(answer)
    if wanted is None:
        raise CannotJudgeError(f"there is no number in what is expected: {expected[:40]!r}")
    return float(found is not None and math.isclose(found, wanted, rel_tol=RELATIVE, abs_tol=1e-12))


def last_number(text: str) -> float | None:
    """The last number of a text: `1,234.5`, `-3e5`, `1/8`; None where there is none."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    top, _, bottom = found[-1].replace(",", "").replace("−", "-").partition("/")
    if bottom and not float(bottom):
        return math.nan
    return float(top) / float(bottom or 1)


def token_f1(answer: str, expected: str) -> float:
    """Harmonic mean of precision and recall of words.

    Words are lower case, without punctuation and articles (Rajpurkar et al. 2016, SQuAD).
    """
    written, wanted = _words(answer), _words(expected)
    if not written or not wanted:
        return float(written == wanted)
    common = sum((Counter(written) & Counter(wanted)).values())
    return 2.0 * common / (len(written) + len(wanted))


def _words(text: str) -> list[str]:
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return _ARTICLES.sub(" ", bare).split()


@dataclass(frozen=True)
class Tests:
    """Runs the answer and then the expected text, Python both, in a sandbox: 1 iff all passes."""

    name: str = "code"

    async def __call__(self, case: Case) -> float:
        program = f"{case.answer}\n\n{case.expected}\n"
        try:
            ran = await asyncio.to_thread(run_python, program)
        except SandboxError as error:
            raise CannotJudgeError(str(error)) from error
        return float(ran.passed)


@dataclass(frozen=True)
class Function:
    """A user's `function(answer, expected, fields)`, which gives a truth value or 0..1.

    A coroutine function is awaited, any other runs in a thread. `expected` is None where no right
    answer is known.
    """

    name: str
    function: Callable[..., Any]
    needs_no_answer: ClassVar[bool] = True

    async def __call__(self, case: Case) -> float:
        given = (case.answer, case.expected, dict(case.fields))
        try:
            if inspect.iscoroutinefunction(self.function):
                score = await self.function(*given)
            else:
                score = await asyncio.to_thread(self.function, *given)
        except Exception as error:
            raise CannotJudgeError(f"{self.name}: {type(error).__name__}: {error}") from error
        if isinstance(score, bool | int | float) and 0 <= score <= 1:
            return float(score)
        raise CannotJudgeError(f"{self.name} gave {score!r}; give a truth value or 0 to 1")


COMPUTED: Mapping[str, Callable[[str, str], float]] = {
    "exact": exact,
    "number": numeric,
    "f1": token_f1,
}
METRICS: Mapping[str, str] = {
    "exact match": "exact",
    "numeric": "number",
    "numeric match": "number",
    "token f1": "f1",
    "f1 score": "f1",
}
"""Names that a workflow's `metric` may have for them."""
KINDS = "exact, number, f1, code, llm, or module:function"


def judge_named(name: str) -> Judge:
    """A judge by its name; `llm` is made by :mod:`flowir.profiler.model_judge`.

    Raises:
        ProfilerError: unknown, or a function that cannot be imported.
    """
    if name in COMPUTED:
        return Computed(name, COMPUTED[name])
    if name == "code":
        return Tests()
    module, colon, function = name.partition(":")
    if not colon:
        raise ProfilerError(f'no judge is named "{name}"; judges are {KINDS}')
    if "" not in sys.path:
        sys.path.insert(0, "")  # As `python -m` has it: the user's module is where the user is.
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ProfilerError(f"judge {name}: it cannot be imported ({error})") from None
    if not callable(found):
        raise ProfilerError(f"judge {name}: it is not a function")
    return Function(name, found)


def judge_of_metric(metric: str | None) -> str | None:
    """The judge that a workflow's `metric` names, if it names one."""
    text = (metric or "").strip()
    known = METRICS.get(text.lower(), text)
    is_function = re.fullmatch(r"[\w.]+:\w+", known) is not None
    return known if known in (*COMPUTED, "code") or is_function else None


async def best(judge: Judge, answer: str, expected: Any, fields: Mapping[str, Any]) -> float:
    """The score against the right answer that fits best."""
    options: Sequence[Any] = expected if isinstance(expected, list) else [expected]
    score: Callable[[Any], Awaitable[float]] = partial(_one, judge, answer, fields)
    scores = [await score(option) for option in options]
    return max(scores, default=0.0)


async def _one(judge: Judge, answer: str, fields: Mapping[str, Any], expected: Any) -> float:
    return await judge(Case(answer, expected, fields))
