"""How large the values of a workflow are expected to be, from what is declared.

Declared by attributes: `prim.inputs = {docs = #prim.size<items = 48, tokens = 12000>}` on a
workflow, `prim.answer` on an agent, `prim.result` on a tool. Where nothing is declared the defaults
here hold; they are guesses, as good as any other without a profile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from xdsl.dialects.builtin import DictionaryAttr
from xdsl.ir import Attribute, Operation

from flowir.dialects import flow, prim
from flowir.dialects.flow_checks import fail
from flowir.dialects.prim_types import element_of

INPUTS, ANSWER, RESULT = "prim.inputs", "prim.answer", "prim.result"

CHARACTERS_PER_TOKEN = 4.0
TEXT_TOKENS = 32.0
LABEL_TOKENS = 2.0
LIST_ITEMS = 4.0


@dataclass(frozen=True)
class Size:
    """Items of a list, 1 of anything else; tokens of all items together."""

    items: float = 1.0
    tokens: float = 0.0

    @property
    def each(self) -> Size:
        """One item."""
        return Size(1.0, self.tokens / self.items if self.items else 0.0)

    def of(self, items: float) -> Size:
        """So many items of this kind."""
        return Size(items, self.each.tokens * items)


def text_tokens(text: str) -> float:
    """Tokens of a text that is known."""
    return float(math.ceil(len(text) / CHARACTERS_PER_TOKEN))


def declared(op: Operation, name: str, kind: Attribute) -> Size:
    """The size that an attribute of a declaration gives, else the default of the type.

    Raises:
        OperationError: the attribute is no `#prim.size`.
    """
    given = op.attributes.get(name)
    if given is None:
        return default(kind)
    return _size(op, name, given)


def declared_input(op: flow.WorkflowOp, argument: str | None, kind: Attribute) -> Size:
    """The size of an argument of a workflow, by its name.

    Raises:
        OperationError: the attribute is no dictionary of `#prim.size`.
    """
    given = op.attributes.get(INPUTS)
    if given is None:
        return default(kind)
    if not isinstance(given, DictionaryAttr):
        raise fail(op, f"{INPUTS} is no dictionary; write {{name = #prim.size<…>}}")
    if argument is None or argument not in given.data:
        return default(kind)
    return _size(op, f"{INPUTS} of {argument}", given.data[argument])


def default(kind: Attribute) -> Size:
    """What is assumed of a value of which nothing is declared."""
    if isinstance(kind, flow.LabelType | flow.BoolType):
        return Size(1.0, LABEL_TOKENS)
    if element_of(kind) is not None and not isinstance(kind, flow.JsonType):
        return Size(LIST_ITEMS, LIST_ITEMS * TEXT_TOKENS)
    return Size(1.0, TEXT_TOKENS)


def _size(op: Operation, name: str, given: Attribute) -> Size:
    if not isinstance(given, prim.SizeAttr):
        raise fail(op, f"{name} is {given}; write #prim.size<items = 48, tokens = 12000>")
    return Size(*given.values)
