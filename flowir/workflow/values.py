"""Values of a workflow while it is traced."""

from __future__ import annotations

from typing import Any, NoReturn

from xdsl.ir import SSAValue

from flowir.errors import WorkflowError
from flowir.workflow.places import here

_UNKNOWN = "which only a run knows"
_CHOICE = (
    "use branch(label, {...}) to choose, fallback(..., until=checker) or "
    "refine(..., until=critic) to repeat"
)
_TEXT = "give it to an agent whose prompt has a variable for it, or join texts with concat(...)"
_ITEMS = "use map_(body, items, max=N)"
_DATA = "write a @tool that does it"


class Traced:
    """A value that a run will have; there is nothing to look at yet.

    Raises:
        WorkflowError: on everything that would need to know it, with the construct to use instead.
    """

    __slots__ = ("optional", "ssa")

    def __init__(self, ssa: SSAValue, optional: bool = False) -> None:
        self.ssa = ssa
        self.optional = optional

    def __repr__(self) -> str:
        return f"<traced {self.ssa.type} {self.ssa.name_hint or ''}>"

    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # protocols that Python and notebooks ask for
            raise AttributeError(name)
        raise WorkflowError(f"{here()}: .{name} of a traced value, {_UNKNOWN}; {_DATA}")


def _refuse(doing: str, mend: str) -> Any:
    def refuse(self: Traced, *_: object, **__: object) -> NoReturn:
        raise WorkflowError(f"{here()}: {doing}, {_UNKNOWN}; {mend}")

    return refuse


def _operators(*names: str) -> tuple[str, ...]:
    """Binary operators, with their reflected and in-place forms."""
    return tuple(form + name for name in names for form in ("", "r", "i"))


for _names, _doing, _mend in (
    (("bool",), "a truth value (`if`, `while`, `and`, `or`, `not`) of a traced value", _CHOICE),
    (("eq", "ne", "lt", "le", "gt", "ge"), "a comparison of a traced value", _CHOICE),
    (("contains",), "`in` on a traced value", _CHOICE),
    (("len",), "the length of a traced value", _ITEMS),
    (("iter", "next", "reversed"), "a loop over a traced value", _ITEMS),
    (("format", "str"), "text made of a traced value", _TEXT),
    (_operators("add", "mod", "mul"), "arithmetic with a traced value", _TEXT),
    (
        _operators("sub", "matmul", "truediv", "floordiv", "divmod", "pow", "lshift", "rshift"),
        "arithmetic with a traced value",
        _DATA,
    ),
    (
        ("neg", "pos", "abs", "invert", "round", "trunc", "floor", "ceil", "complex"),
        "arithmetic with a traced value",
        _DATA,
    ),
    (_operators("and", "or", "xor"), "`&`, `|` or `^` of a traced value", _CHOICE),
    (
        ("getitem", "setitem", "delitem", "int", "float", "index", "bytes", "call"),
        "a look inside a traced value",
        _DATA,
    ),
    (
        ("await", "aiter", "anext", "aenter", "enter"),
        "`await`, `async` or `with` on a traced value",
        "leave it out: calls run at the same time wherever they can",
    ),
):
    for _name in _names:
        setattr(Traced, f"__{_name}__", _refuse(_doing, _mend))
