"""Structural choices that cannot be composed where they are written.

Alternatives change more than what they contain where they give on a value they only read, or where
what others make of a value depends on who wrote it. Then structures are composed one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Fallback,
    Plan,
    Refine,
    Term,
    ToolCall,
    Value,
    blocks_of,
)

Terms = Mapping[Value, Term]


class EntangledError(Exception):
    """The structures of a workflow have to be composed one by one."""


def labels_entangled(body: Block) -> bool:
    """Whether a label is read by branches that not every structure has together."""
    places: dict[Value, set[tuple[tuple[str, str], ...]]] = {}
    for label, place in _labels(body, ()):
        places.setdefault(label, set()).add(place)
    return any(len(found) > 1 for found in places.values())


def _labels(
    block: Block, place: tuple[tuple[str, str], ...]
) -> Iterator[tuple[Value, tuple[tuple[str, str], ...]]]:
    for term in block.terms:
        if isinstance(term, Alternatives):
            for label, case in term.cases:
                yield from _labels(case, (*place, (term.name, label)))
            continue
        if isinstance(term, Branch):
            yield term.label, place
        for inner in blocks_of(term):
            yield from _labels(inner, place)


def writer_open(value: Value, terms: Terms) -> bool:
    """Whether structure decides who wrote a value, other than by choosing the value itself."""
    seen: set[Value] = set()
    pending = [value]
    while pending:
        one = pending.pop()
        if one in seen or one not in terms:
            continue
        seen.add(one)
        match terms[one]:
            case Alternatives() if one != value:
                return True
            case ToolCall(inputs=(source,)):
                pending.append(source)
            case Refine(initial=initial, body=body):
                pending += [initial, body.result]
            case Plan(joiner=joiner):
                pending.append(joiner.result)
            case Fallback() | Branch() as term:
                pending += [block.result for block in blocks_of(term)]
            case _:
                pass
    return False
