"""Types and attributes of the `prim` dialect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import auto

from xdsl.dialects.builtin import FloatData, IntAttr, StringAttr
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, ParametrizedAttribute, SpacedOpaqueSyntaxAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from flowir.dialects.flow_types import JsonType, LabelType, ListType, TextType
from flowir.dialects.literals import float_text, parse_fields, parse_float, parse_text, print_text


@irdl_attr_definition
class DocumentsType(ParametrizedAttribute, TypeAttribute):
    """Texts as they were given."""

    name = "prim.documents"


@irdl_attr_definition
class ChunksType(ParametrizedAttribute, TypeAttribute):
    """Parts of documents, in an order; prompts show them as a list of texts."""

    name = "prim.chunks"


@irdl_attr_definition
class EmbeddingsType(ParametrizedAttribute, TypeAttribute):
    """Texts, each with its vector."""

    name = "prim.embeddings"


@irdl_attr_definition
class IndexType(ParametrizedAttribute, TypeAttribute):
    """What a search looks in: embeddings that were ingested."""

    name = "prim.index"


@irdl_attr_definition
class KvType(ParametrizedAttribute, TypeAttribute):
    """A prompt, or the beginning of one, in the KV cache of a model."""

    name = "prim.kv"


@irdl_attr_definition
class StreamType(ParametrizedAttribute, TypeAttribute):
    """A text that is being decoded: its KV cache and what has been written so far."""

    name = "prim.stream"


@irdl_attr_definition
class GuardType(ParametrizedAttribute, TypeAttribute):
    """Whether a condition gave a label."""

    name = "prim.guard"


documents = DocumentsType()
chunks = ChunksType()
embeddings = EmbeddingsType()
index = IndexType()
kv = KvType()
stream = StreamType()
guard = GuardType()


def element_of(kind: Attribute) -> Attribute | None:
    """The type of one item; None of what has no items."""
    match kind:
        case ListType():
            element: Attribute = kind.element
            return element
        case ChunksType() | DocumentsType():
            return TextType()
        case JsonType():
            return kind
        case _:
            return None


def normal(kind: Attribute) -> Attribute:
    """Lists of texts have several names; this is the one that comparisons use."""
    if isinstance(kind, ChunksType | DocumentsType):
        return ListType(TextType())
    return kind


def is_texts(kind: Attribute) -> bool:
    """Whether an engine can embed or rerank it: a text, or several."""
    return isinstance(kind, TextType | LabelType | JsonType) or isinstance(
        element_of(kind), TextType | LabelType | JsonType
    )


def number_text(value: float) -> str:
    """`12` for whole numbers, else the shortest decimal text."""
    return str(int(value)) if value == int(value) else float_text(value)


class _Amounts(ParametrizedAttribute):
    """`<name = number, …>`, where what is left out has a default."""

    @classmethod
    def defaults(cls) -> dict[str, float]:
        """Names in the order of the parameters, and what they are where nothing is said."""
        raise NotImplementedError

    @property
    def values(self) -> tuple[float, ...]:
        """In the order of the parameters."""
        return tuple(p.data for p in self.parameters if isinstance(p, FloatData))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        defaults = cls.defaults()
        with parser.in_angle_brackets():
            fields = parse_fields(parser, {name: lambda: parse_float(parser) for name in defaults})
        return [fields.get(name, FloatData(value)) for name, value in defaults.items()]

    def print_parameters(self, printer: Printer) -> None:
        defaults = self.defaults()
        shown = [
            f"{name} = {number_text(value)}"
            for (name, default), value in zip(defaults.items(), self.values, strict=True)
            if value != default
        ]
        with printer.in_angle_brackets():
            printer.print_string(", ".join(shown or [f"{next(iter(defaults))} = 1"]))

    def verify(self) -> None:
        for name, value in zip(self.defaults(), self.values, strict=True):
            if not (math.isfinite(value) and value >= 0):
                raise VerifyException(f"{self.name}: {name} = {value}; write a number, at least 0")


@irdl_attr_definition
class WorkAttr(_Amounts):
    """How much an engine is expected to do: `<items = 48, input = 12000>`, tokens of all items.

    Attributes:
        items: texts embedded, chunks ingested, queries searched, pairs reranked.
        input_tokens: of all items; of a prefill those that are new to the engine.
        output_tokens: of a decode.
        context_tokens: in the KV cache before.
    """

    name = "prim.work"

    items: FloatData = param_def()
    input_tokens: FloatData = param_def()
    output_tokens: FloatData = param_def()
    context_tokens: FloatData = param_def()

    @classmethod
    def defaults(cls) -> dict[str, float]:
        return {"items": 1.0, "input": 0.0, "output": 0.0, "context": 0.0}

    @staticmethod
    def of(
        items: float = 1.0, input: float = 0.0, output: float = 0.0, context: float = 0.0
    ) -> WorkAttr:
        """From Python numbers."""
        return WorkAttr(*map(FloatData, map(float, (items, input, output, context))))


@irdl_attr_definition
class SizeAttr(_Amounts):
    """How large a value is expected to be: `<items = 3, tokens = 30>`, tokens of all items."""

    name = "prim.size"

    items: FloatData = param_def()
    tokens: FloatData = param_def()

    @classmethod
    def defaults(cls) -> dict[str, float]:
        return {"items": 1.0, "tokens": 0.0}

    @staticmethod
    def of(items: float = 1.0, tokens: float = 0.0) -> SizeAttr:
        """From Python numbers."""
        return SizeAttr(FloatData(float(items)), FloatData(float(tokens)))


@irdl_attr_definition
class PartAttr(ParametrizedAttribute):
    """`2 of 3`: one of as many nearly equal parts of a list; parts of a decode are its items.

    Part k of n of a list with m items are its items from ⌊(k−1)·m/n⌋ to ⌊k·m/n⌋, so that all parts
    together are the list however long it is. Part k of a decode is item k of the answer, which can
    go on before it is known how many follow; the last part is all that is left.
    """

    name = "prim.part"

    number: IntAttr = param_def()
    count: IntAttr = param_def()

    @staticmethod
    def of(number: int, count: int) -> PartAttr:
        """From Python numbers, the first part being 1."""
        return PartAttr(IntAttr(number), IntAttr(count))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            return cls.parse_words(parser)

    @classmethod
    def parse_words(cls, parser: AttrParser) -> Sequence[Attribute]:
        """`2 of 3`"""
        number = parser.parse_integer(allow_boolean=False, allow_negative=False)
        parser.parse_keyword("of")
        count = parser.parse_integer(allow_boolean=False, allow_negative=False)
        return [IntAttr(number), IntAttr(count)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(self.words)

    @property
    def words(self) -> str:
        """`2 of 3`"""
        return f"{self.number.data} of {self.count.data}"

    def verify(self) -> None:
        if not 1 <= self.number.data <= self.count.data:
            raise VerifyException(f"prim.part: {self.words}; parts are numbered from 1")


@irdl_attr_definition
class PieceAttr(ParametrizedAttribute):
    """A piece of a prompt: text, or an operand by its place, `<user "Q: ">`, `<user 0 late>`.

    Attributes:
        role: `system` or `user`; neighbours of one role are one message.
        content: text, or the place of the operand among those that pieces show.
        tokens: how many are expected.
        late: 1 where the operand is known only after an engine has worked, else 0.
    """

    name = "prim.piece"

    role: StringAttr = param_def()
    content: StringAttr | IntAttr = param_def()
    tokens: FloatData = param_def()
    late: IntAttr = param_def()

    @staticmethod
    def of(role: str, content: str | int, tokens: float, late: bool = False) -> PieceAttr:
        """From Python values."""
        shown = IntAttr(content) if isinstance(content, int) else StringAttr(content)
        return PieceAttr(StringAttr(role), shown, FloatData(float(tokens)), IntAttr(int(late)))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            role = "system" if parser.parse_optional_keyword("system") else "user"
            if (place := parser.parse_optional_integer()) is not None:
                return [StringAttr(role), IntAttr(place), *cls.parse_marks(parser)]
            content = StringAttr(parse_text(parser, "text of a piece, or the place of an operand"))
            return [StringAttr(role), content, *cls.parse_marks(parser)]

    @staticmethod
    def parse_marks(parser: AttrParser) -> Sequence[Attribute]:
        """`tokens 12 late`, both optional."""
        tokens = parse_float(parser) if parser.parse_optional_keyword("tokens") else FloatData(0.0)
        return [tokens, IntAttr(int(parser.parse_optional_keyword("late") is not None))]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            if self.role.data == "system":
                printer.print_string("system ")
            match self.content:
                case IntAttr():
                    printer.print_string(str(self.content.data))
                case StringAttr():
                    print_text(printer, self.content.data)
            printer.print_string(self.marks)

    @property
    def marks(self) -> str:
        """` tokens 12 late`"""
        tokens = self.tokens.data
        shown = f" tokens {number_text(tokens)}" if tokens else ""
        return shown + " late" * self.late.data

    def verify(self) -> None:
        if self.role.data not in ("system", "user"):
            raise VerifyException(f'prim.piece: role "{self.role.data}"; use system or user')
        if not (math.isfinite(self.tokens.data) and self.tokens.data >= 0):
            raise VerifyException(f"prim.piece: {self.tokens.data} tokens; write 0 or more")
        if self.late.data not in (0, 1):
            raise VerifyException(f"prim.piece: late = {self.late.data}; it is 0 or 1")


class Gathering(StrEnum):
    """How an aggregate makes one value of several.

    ALL: the list of the values.
    GATHER: the list of those values that are there.
    CONCAT: of lists, all their items in order.
    UNION: of indices, one with all that is in them.
    TEXT: of texts, one with an empty line between them.
    VOTE: the most frequent value, ties to the earliest.
    VOTE_BY: the value whose key is most frequent; as many keys follow the values.
    PICK: the value that the answer, which comes first, names by its number.
    CHOOSE: the value whose guard holds; as many guards follow the values.
    FEEDBACK: what a critic's answer says beside its verdict.
    """

    ALL = auto()
    GATHER = auto()
    CONCAT = auto()
    UNION = auto()
    TEXT = auto()
    VOTE = auto()
    VOTE_BY = auto()
    PICK = auto()
    CHOOSE = auto()
    FEEDBACK = auto()


@irdl_attr_definition
class GatheringAttr(EnumAttribute[Gathering], SpacedOpaqueSyntaxAttribute):
    """See `Gathering`."""

    name = "prim.gathering"


class Test(StrEnum):
    """What a condition looks at.

    LABEL: which case a text is.
    VERDICT: whether a critic's answer accepts: the cases are `accept` and `reject`.
    PRESENT: whether the value is there at all: the cases are `there` and `missing`.
    """

    LABEL = auto()
    VERDICT = auto()
    PRESENT = auto()


@irdl_attr_definition
class TestAttr(EnumAttribute[Test], SpacedOpaqueSyntaxAttribute):
    """See `Test`."""

    name = "prim.test"


TEST_CASES = {Test.VERDICT: ("accept", "reject"), Test.PRESENT: ("there", "missing")}
"""The cases of the tests that have no others."""


def split_evenly(count: int, parts: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of the parts of a list of so many items; see `PartAttr`."""
    for number in range(parts):
        yield number * count // parts, (number + 1) * count // parts
