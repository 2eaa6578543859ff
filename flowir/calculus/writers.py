"""Who wrote a value: the decision whose wrong answers and output tokens it carries."""

from __future__ import annotations

from flowir.calculus.terms import (
    Block,
    Branch,
    Call,
    Fallback,
    First,
    Plan,
    Refine,
    Term,
    ToolCall,
    Value,
    blocks_of,
)

Writers = dict[Value, int | None]


def writers(body: Block) -> Writers:
    """For every value written inside `body`, the one decision that wrote it, else None.

    A call's output has its decision, what a plan gives that of its joiner. A tool with one input
    passes it through. What a fallback,
    branch, race or refine gives has a writer if all it may give has the same one. Lists, votes and
    selections have none; nor has a workflow's argument.
    """
    found: Writers = {}
    _block(body, found)
    return found


def _block(block: Block, found: Writers) -> int | None:
    for term in block.terms:
        found[term.output] = _term(term, found)
    return found.get(block.result)


def _term(term: Term, found: Writers) -> int | None:
    match term:
        case Call(decision=decision):
            return decision
        case ToolCall(inputs=(source,)):
            return found.get(source)
        case Refine(initial=initial, body=body):
            first = found.get(initial)
            if body.arguments:
                found[body.arguments[0]] = first
            again = _block(body, found)
            if again == first:
                return first
            if body.arguments:
                found[body.arguments[0]] = None
                _block(body, found)
            return None
        case First(candidates=candidates):
            for block in blocks_of(term):
                _block(block, found)
            written = {found.get(value) for value in candidates}
            return written.pop() if len(written) == 1 else None
        case Plan(planner=planner, joiner=joiner):
            _block(planner, found)
            return _block(joiner, found)
        case Fallback() | Branch():
            written = {_block(block, found) for block in blocks_of(term)}
            return written.pop() if len(written) == 1 else None
        case _:
            for block in blocks_of(term):
                _block(block, found)
            return None
