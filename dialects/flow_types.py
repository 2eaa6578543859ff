"""Types and small attributes of the `flow` dialect."""

from __future__ import annotations

from collections.abc import Sequence
from enum import auto
from typing import Generic

from typing_extensions import TypeVar
from xdsl.dialects.builtin import FloatData, IntAttr, StringAttr
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

from flowir.dialects.literals import (
    float_text,
    parse_fields,
    parse_float,
    parse_text,
    print_text,
)


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


PRIMITIVES = ("embedding", "ingestion", "searching", "reranking", "item", "tool")
"""What a tool may be declared as; `item` gives one item of a list, `tool` is any code."""

COUNTED = ("searching", "reranking", "item")
"""Those that say how many they give, or which item."""


@irdl_attr_definition
class PrimitiveAttr(ParametrizedAttribute):
    """What a tool is to engines: `<searching, engine = "vector store", top = 16>`.

    Attributes:
        kind: one of `PRIMITIVES`.
        engine: what runs it; empty where that is left to the lowering.
        count: of a search or reranking, how many it gives; of an item, its place from 0; else 0.
    """

    name = "flow.primitive"

    kind: StringAttr = param_def()
    engine: StringAttr = param_def()
    count: IntAttr = param_def()

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            return cls.parse_words(parser)

    @classmethod
    def parse_words(cls, parser: AttrParser) -> Sequence[Attribute]:
        """`searching top 16 engine "vector store"`, `item 0`"""
        start = parser.pos
        kind = parser.parse_identifier(f": one of {', '.join(PRIMITIVES)}")
        if kind not in PRIMITIVES:
            parser.raise_error(f"no primitive '{kind}'; use {', '.join(PRIMITIVES)}", start)
        count = 0
        if kind in ("searching", "reranking"):
            parser.parse_keyword("top")
        if kind in COUNTED:
            count = parser.parse_integer(allow_boolean=False, allow_negative=False)
        engine = ""
        if parser.parse_optional_keyword("engine"):
            engine = parse_text(parser, "name of an engine")
        return [StringAttr(kind), StringAttr(engine), IntAttr(count)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            self.print_words(printer)

    def print_words(self, printer: Printer) -> None:
        """The inverse of `parse_words`."""
        printer.print_string(self.kind.data)
        if self.kind.data in ("searching", "reranking"):
            printer.print_string(" top")
        if self.kind.data in COUNTED:
            printer.print_string(f" {self.count.data}")
        if self.engine.data:
            printer.print_string(" engine ")
            print_text(printer, self.engine.data)

    def verify(self) -> None:
        if self.kind.data not in PRIMITIVES:
            known = ", ".join(PRIMITIVES)
            raise VerifyException(f"flow.primitive: no primitive '{self.kind.data}'; use {known}")
        if self.kind.data in ("searching", "reranking") and self.count.data < 1:
            raise VerifyException(
                f"flow.primitive: {self.kind.data} top {self.count.data}; give 1 or more"
            )


text = TextType()
json = JsonType()
label = LabelType()
boolean = BoolType()
