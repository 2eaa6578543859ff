"""Types and small attributes of the `flow` dialect."""

from __future__ import annotations

from collections.abc import Sequence
from enum import auto
from typing import Generic

from typing_extensions import TypeVar
from xdsl.dialects.builtin import FloatData
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import (
    Attribute,
    ParametrizedAttribute,
    SpacedOpaqueSyntaxAttribute,
    TypeAttribute,
)
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from flowir.dialects.literals import float_text, parse_fields, parse_float


@irdl_attr_definition
class TextType(ParametrizedAttribute, TypeAttribute):
    """Free text."""

    name = "flow.text"


@irdl_attr_definition
class JsonType(ParametrizedAttribute, TypeAttribute):
    """A JSON value."""

    name = "flow.json"


@irdl_attr_definition
class LabelType(ParametrizedAttribute, TypeAttribute):
    """One of a few words; what a branch looks at."""

    name = "flow.label"


@irdl_attr_definition
class BoolType(ParametrizedAttribute, TypeAttribute):
    """A verdict."""

    name = "flow.bool"


_ElementT = TypeVar("_ElementT", bound=Attribute, covariant=True, default=Attribute)


@irdl_attr_definition
class ListType(ParametrizedAttribute, TypeAttribute, Generic[_ElementT]):
    """A list of values of one type."""

    name = "flow.list"

    element: _ElementT = param_def()


class Effect(StrEnum):
    """What running a tool does to the world."""

    PURE = auto()
    READS = auto()
    WRITES = auto()


@irdl_attr_definition
class EffectAttr(EnumAttribute[Effect], SpacedOpaqueSyntaxAttribute):
    """`pure` tools are merged and dropped, `reads` tools dropped, `writes` tools always run."""

    name = "flow.effect"


class JoinMode(StrEnum):
    """How a join makes one value of several."""

    ALL = auto()
    ANY = auto()
    CONCAT = auto()
    VOTE = auto()
    SELECT = auto()
    FIRST = auto()


@irdl_attr_definition
class JoinModeAttr(EnumAttribute[JoinMode], SpacedOpaqueSyntaxAttribute):
    """See `JoinMode`."""

    name = "flow.join_mode"


@irdl_attr_definition
class AcceptsAttr(ParametrizedAttribute):
    """How a checker judges: `<right = 0.99, wrong = 0.2, persistence = 0.9>`.

    `right` and `wrong` are the chances that it accepts a right and a wrong value. `persistence` is
    the correlation of two verdicts on equally right values of one query: 1 says that what was
    rejected once is rejected always, 0 that every verdict is drawn anew.
    """

    name = "flow.accepts"

    right: FloatData = param_def()
    wrong: FloatData = param_def()
    persistence: FloatData = param_def()

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        start = parser.pos
        names = ("right", "wrong", "persistence")
        with parser.in_angle_brackets():
            fields = parse_fields(parser, {name: lambda: parse_float(parser) for name in names})
        for name in names[:2]:
            if name not in fields:
                parser.raise_error(
                    f"accepts: `{name}` is missing; give the chance that it accepts a {name} value",
                    start,
                )
        return [fields["right"], fields["wrong"], fields.get("persistence", FloatData(0.0))]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"right = {float_text(self.right.data)}")
            printer.print_string(f", wrong = {float_text(self.wrong.data)}")
            if self.persistence.data:
                printer.print_string(f", persistence = {float_text(self.persistence.data)}")

    def verify(self) -> None:
        for name in ("right", "wrong", "persistence"):
            value = getattr(self, name).data
            if not 0.0 <= value <= 1.0:
                raise VerifyException(
                    f"flow.accepts: {name} = {value} is no probability; it must lie in [0, 1]"
                )


text = TextType()
json = JsonType()
label = LabelType()
boolean = BoolType()
