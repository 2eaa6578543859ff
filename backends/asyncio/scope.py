"""What is known at a place of the code being written, and where a value has to go."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.ir import Attribute, SSAValue

from flowir.backends.asyncio.names import Names
from flowir.backends.asyncio.program import python_type
from flowir.dialects import flow


@dataclass(frozen=True)
class Sink:
    """Where the value of a body goes: to a variable, to the caller (`Sink()`), or nowhere.

    Attributes:
        variable: its name, None for `return`.
        held: the variable still holds a value that the body reads.
        wanted: False where nobody reads the value.
    """

    variable: str | None = None
    held: bool = False
    wanted: bool = True

    @property
    def returns(self) -> bool:
        return self.wanted and self.variable is None

    @property
    def free(self) -> str | None:
        """The variable, where it may be written at any time."""
        return None if self.held else self.variable


RETURN = Sink()
NOWHERE = Sink(wanted=False)


@dataclass
class Scope:
    """What is known at a place of the code.

    Attributes:
        depth: of indentation.
        names: local names that are taken.
        values: the expression of every value that is there.
        tasks: the task of every value that may not be there yet.
        kinds: for every local name of the function what it is, since a name that means two
            things, even in two cases of a branch, is one too many for a type checker.
        groups: how many task groups of the function are open.
    """

    depth: int
    names: Names
    values: dict[SSAValue, str] = field(default_factory=dict)
    tasks: dict[SSAValue, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    groups: int = 0

    def inner(self, function: bool = False) -> Scope:
        """A scope for an indented block, or for the body of a nested function."""
        found = Scope(self.depth + 1, self.names.inner(), dict(self.values), dict(self.tasks))
        if not function:
            found.kinds, found.groups = self.kinds, self.groups
        return found

    def new(self, name: str, kind: str, suffix: str = "") -> str:
        """A local name for something of a kind."""
        while True:
            found = self.names.new(name, suffix)
            if self.kinds.setdefault(found, kind) == kind:
                return found

    def variable(self, value: SSAValue, name: str) -> str:
        """A local name for a value."""
        return self.new(name, python_type(value.type), type_word(value.type))

    def read(self, value: SSAValue) -> str:
        """The expression that gives a value."""
        if value in self.tasks:
            return f"await {self.tasks[value]}"
        return self.values[value]


def type_word(kind: Attribute) -> str:
    """What tells a name from the same name of something else."""
    match kind:
        case flow.LabelType():
            return "label"
        case flow.ListType():
            return "list"
        case flow.JsonType():
            return "data"
        case flow.BoolType():
            return "verdict"
        case _:
            return "text"
