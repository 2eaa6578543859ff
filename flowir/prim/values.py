"""What primitives that only arrange values do, the same in every execution.

An executor brings the engines; parts, items, aggregates and conditions are these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from xdsl.dialects.builtin import IntAttr
from xdsl.ir import Attribute

from flowir.dialects import prim
from flowir.dialects.prim_types import normal
from flowir.errors import PrimError
from flowir.runtime.values import ballot, pick, show, verdict


class _Missing(Enum):
    """Nothing has come: what should have made it did not run."""

    MISSING = "missing"


MISSING: Final = _Missing.MISSING

Message = tuple[str, str]
"""(role, content)"""

Messages = tuple[Message, ...]


def runs(op: prim.PrimitiveOp, guard: bool, inputs: Sequence[Any]) -> bool:
    """Whether an op runs, of whose inputs some may be missing; if not, its results are missing."""
    if not guard:
        return False
    match op:
        case prim.ConditionOp() if op.test.data is prim.Test.PRESENT:
            return True
        case prim.AggregateOp() if op.mode.data is prim.Gathering.GATHER:
            return True
        case prim.AggregateOp() if op.mode.data is prim.Gathering.CHOOSE:
            return True
        case _:
            return MISSING not in inputs


def part_of(values: Sequence[Any], part: prim.PartAttr | None) -> Sequence[Any]:
    """The items of a part of a list; all without a part.

    part k of n = values[⌊(k−1)·m/n⌋ : ⌊k·m/n⌋], m the length
    """
    if part is None:
        return values
    number, count = part.number.data, part.count.data
    size = len(values)
    return values[(number - 1) * size // count : number * size // count]


def answer_part(values: Sequence[Any], part: prim.PartAttr) -> Sequence[Any]:
    """The items of a part of an answer: one each, and all that are left in the last.

    part k of n = values[k−1 : k], the last values[n−1 :]
    """
    number, count = part.number.data, part.count.data
    return values[number - 1 :] if number == count else values[number - 1 : number]


def item(op: prim.ItemOp, values: Sequence[Any]) -> Any:
    """The item of a list, counted from 0; missing where the list is shorter.

    Raises:
        PrimError: it was to be the last one, and more follow.
    """
    return nth(values, op.place.data, op.last is not None, "" if op.site is None else op.site.data)


def nth(values: Sequence[Any], place: int, last: bool, site: str) -> Any:
    """As `item`, of an op with these properties."""
    if last and len(values) > place + 1:
        where = f"{site}: " if site else ""
        raise PrimError(
            f"{where}{len(values) - place - 1} items more than the map's max; give it more"
        )
    return values[place] if place < len(values) else MISSING


def texts(value: Any) -> list[str]:
    """What is to be embedded or reranked, one text each."""
    return [value] if isinstance(value, str) else list(map(_text, value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def messages(pieces: Sequence[prim.PieceAttr], shown: Sequence[str]) -> tuple[Message, ...]:
    """Pieces of a prompt as messages; neighbours of one role are one."""
    said = [
        (
            piece.role.data,
            shown[piece.content.data] if isinstance(piece.content, IntAttr) else piece.content.data,
        )
        for piece in pieces
    ]
    return joined((), said)


def joined(before: Sequence[Message], more: Sequence[Message]) -> tuple[Message, ...]:
    """Messages one after another, those of one role that meet as one."""
    found = list(before)
    for role, content in more:
        if found and found[-1][0] == role:
            found[-1] = (role, found[-1][1] + content)
        else:
            found.append((role, content))
    return tuple(found)


def shown(value: Any, kind: Attribute) -> str:
    """A value as a prompt shows it: chunks as a list of texts, else as `flow` does."""
    return show(value, normal(kind))


def held(op: prim.ConditionOp, value: Any) -> tuple[bool, ...]:
    """Which of the guards hold.

    Raises:
        PrimError: a label that is none of the cases, where there is no `else`.
    """
    found = case_of(op.test.data, op.names, value, "" if op.site is None else op.site.data)
    return tuple(name == found for name in op.names)


def case_of(test: prim.Test, names: Sequence[str], value: Any, site: str) -> str:
    """Which case a value is; "" is `else`.

    Raises:
        PrimError: a label that is none of the cases, where there is no `else`.
    """
    match test:
        case prim.Test.PRESENT:
            return "missing" if value is MISSING else "there"
        case prim.Test.VERDICT:
            return "accept" if verdict(value)[0] else "reject"
    known = [name for name in names if name]
    if str(value) in known:
        return str(value)
    if "" not in names:
        where = f" at {site}" if site else ""
        raise PrimError(f"label {value!r}{where} is none of {', '.join(known)}; add an `else` case")
    return ""


def aggregate(
    op: prim.AggregateOp, values: Sequence[Any], unite: Callable[[Sequence[Any]], Any]
) -> Any:
    """What an aggregate gives of its inputs; see `gathered`."""
    return gathered(op.mode.data, values, unite)


def gathered(
    mode: prim.Gathering, values: Sequence[Any], unite: Callable[[Sequence[Any]], Any]
) -> Any:
    """One value of several, guards as booleans.

    Args:
        unite: makes one index of several; how depends on the store.
    """
    return unite(values) if mode is prim.Gathering.UNION else _AGGREGATES[mode](values)


def _choose(values: Sequence[Any]) -> Any:
    count = len(values) // 2
    for value, guard in zip(values[:count], values[count:], strict=True):
        if guard is True:
            return value
    return MISSING


def _most_frequent(values: Sequence[Any], keys: Sequence[Any]) -> Any:
    words = [ballot(key) for key in keys]
    return values[max(range(len(words)), key=lambda place: (words.count(words[place]), -place))]


def _vote_by(values: Sequence[Any]) -> Any:
    count = len(values) // 2
    return _most_frequent(values[:count], values[count:])


_AGGREGATES: Mapping[prim.Gathering, Callable[[Sequence[Any]], Any]] = {
    prim.Gathering.ALL: list,
    prim.Gathering.GATHER: lambda values: [value for value in values if value is not MISSING],
    prim.Gathering.CONCAT: lambda values: [each for value in values for each in value],
    prim.Gathering.TEXT: "\n\n".join,
    prim.Gathering.VOTE: lambda values: _most_frequent(values, values),
    prim.Gathering.VOTE_BY: _vote_by,
    prim.Gathering.PICK: lambda values: pick(values[0], values[1:]),
    prim.Gathering.CHOOSE: _choose,
    prim.Gathering.FEEDBACK: lambda values: verdict(values[0])[1],
}
