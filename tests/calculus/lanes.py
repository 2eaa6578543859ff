"""Which value waits for which, and what a race starts: the lanes of its candidates."""

from __future__ import annotations

from flowir.calculus.terms import Block, First, Term, Value, blocks_of, walk


def mentioned_by(term: Term) -> set[Value]:
    """Every value that a term, or anything inside it, names as an input."""
    found: set[Value] = set()
    for name in ("inputs", "candidates"):
        found |= set(getattr(term, name, ()))
    for name in ("label", "initial", "source"):
        if hasattr(term, name):
            found.add(getattr(term, name))
    for block in blocks_of(term):
        found |= mentioned(block)
    return found


def mentioned(block: Block) -> set[Value]:
    """Every value that a block names, its own included."""
    found = {block.result}
    for term in block.terms:
        found |= mentioned_by(term)
    return found


def arranged(block: Block) -> list[tuple[Term, list[Block]]]:
    """The terms of a block; those of races, with their lanes, stand where the race stands.

    The last race takes its lanes first.
    """
    entries: list[tuple[Term, list[Block]]] = [(term, []) for term in block.terms]
    for race in reversed(block.terms):
        outputs = [term.output for term, _ in entries]
        if isinstance(race, First) and race.output in outputs:
            lanes = [
                lane_of(value, race, entries, block.result)
                for value in dict.fromkeys(race.candidates)
            ]
            entries[outputs.index(race.output)] = (race, lanes)
            moved = {term.output for lane in lanes for term in lane.terms}
            entries = [entry for entry in entries if entry[0].output not in moved]
    return entries


def lane_of(
    candidate: Value, race: First, entries: list[tuple[Term, list[Block]]], result: Value
) -> Block:
    """What makes a candidate that only its race reads, and all that only this lane reads."""
    readers: dict[Value, set[Value]] = {}
    for term, lanes in entries:
        for value in mentioned_by(term).union(*map(mentioned, lanes)):
            readers.setdefault(value, set()).add(term.output)
    lane: set[Value] = set()
    size = -1
    while size < len(lane):
        size = len(lane)
        for term, lanes in entries:
            inside = [term, *(t for block in (*blocks_of(term), *lanes) for t in walk(block))]
            if term.output == result or any(getattr(t, "writes", False) for t in inside):
                continue
            read_by = readers.get(term.output, set())
            if term.output == candidate:
                if read_by == {race.output}:
                    lane.add(candidate)
            elif read_by and read_by <= lane:
                lane.add(term.output)
    return Block(
        tuple(
            own
            for term, lanes in entries
            if term.output in lane
            for own in (*(t for block in lanes for t in block.terms), term)
        ),
        candidate,
    )
