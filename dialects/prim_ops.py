"""Primitives of retrieval, conditions, aggregates and tools, and what all primitives have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatData,
    IntAttr,
    StringAttr,
    SymbolRefAttr,
    UnitAttr,
    i32,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, Pure

from flowir.dialects import flow_syntax as syntax
from flowir.dialects import prim_checks as checks
from flowir.dialects.flow_traits import InvocationEffect
from flowir.dialects.literals import parse_optional_text, print_text
from flowir.dialects.prim_syntax import parse_rest, print_rest
from flowir.dialects.prim_traits import Batchable, Splittable
from flowir.dialects.prim_types import (
    Gathering,
    GatheringAttr,
    GuardType,
    PartAttr,
    Test,
    TestAttr,
    WorkAttr,
    number_text,
)


class PrimitiveOp(IRDLOperation):
    """What every primitive has. It runs when its inputs are there and those `after` have ended.

    `if %guard`: it runs only if the guard holds. An op one of whose inputs is missing, because what
    makes it did not run, does not run either, except where it says otherwise.

    Attributes:
        inputs: what it reads.
        guard: under which case of a condition it runs.
        after: what it waits for and does not read: the order of modules.
        site: the call of the workflow that it belongs to.
        engine: what runs it; None takes no time.
        work: how much that is expected to do.
        part: which part of its list, or of its answer, it is.
        waste: seconds of its engine that are expected to be for nothing, of an op that runs ahead
            of a condition.
        spare: it runs only where a list turns out longer than expected.
    """

    VARIED_RESULTS: ClassVar[bool] = False

    inputs = var_operand_def()
    guard = opt_operand_def(GuardType)
    after = var_operand_def()
    site = opt_prop_def(StringAttr)
    engine = opt_prop_def(StringAttr)
    work = opt_prop_def(WorkAttr)
    part = opt_prop_def(PartAttr)
    waste = opt_prop_def(FloatData)
    spare = opt_prop_def(UnitAttr)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    @classmethod
    def make(
        cls,
        inputs: Sequence[SSAValue],
        results: Sequence[Attribute],
        *,
        guard: SSAValue | None = None,
        after: Sequence[SSAValue] = (),
        **properties: Attribute | None,
    ) -> Self:
        """The op, with the properties that are not None."""
        return cls.build(
            operands=[list(inputs), [] if guard is None else [guard], list(after)],
            result_types=[list(results)] if cls.VARIED_RESULTS else [[each] for each in results],
            properties=properties,
        )

    def like(
        self,
        inputs: Sequence[SSAValue] | None = None,
        *,
        after: Sequence[SSAValue] | None = None,
        **properties: Attribute | None,
    ) -> Self:
        """A copy with other inputs or properties; guard, order and results as they are."""
        kept = {
            name: value
            for name, value in self.properties.items()
            if name not in ("operandSegmentSizes", "resultSegmentSizes")
        }
        copy = self.make(
            self.inputs if inputs is None else inputs,
            self.result_types,
            guard=self.guard,
            after=self.after if after is None else after,
            **{**kept, **properties},
        )
        copy.attributes.update(self.attributes)
        return copy

    def wait_for(self, after: Sequence[SSAValue]) -> None:
        """Come after these, and no longer after what it came after."""
        guards = [] if self.guard is None else [self.guard]
        sizes = (len(self.inputs), len(guards), len(after))
        self.operands = [*self.inputs, *guards, *after]
        self.properties["operandSegmentSizes"] = DenseArrayBase.from_list(i32, sizes)

    def run_under(self, guard: SSAValue | None) -> None:
        """Run under another guard, or always."""
        guards = [] if guard is None else [guard]
        sizes = (len(self.inputs), len(guards), len(self.after))
        self.operands = [*self.inputs, *guards, *self.after]
        self.properties["operandSegmentSizes"] = DenseArrayBase.from_list(i32, sizes)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        operands = syntax.parse_operands(parser)
        return parse_rest(cls, parser, operands, cls.parse_own(parser))

    @classmethod
    def parse_own(cls, parser: Parser) -> syntax.Properties:
        """Clauses of its own, after the inputs."""
        return {}

    def print(self, printer: Printer) -> None:
        syntax.print_operands(printer, self.inputs)
        self.print_own(printer)
        print_rest(printer, self)

    def print_own(self, printer: Printer) -> None:
        """The inverse of `parse_own`."""

    def verify_(self) -> None:
        checks.VERIFIERS[self.name](self)


@irdl_op_definition
class EmbeddingOp(PrimitiveOp):
    """Texts, each with its vector.

    %e = prim.embedding(%docs) engine "embedding" work <items = 48>
        : (!prim.documents) -> !prim.embeddings
    """

    name = "prim.embedding"

    output = result_def()

    traits = traits_def(Batchable(), Splittable(0, Gathering.CONCAT), Pure())


@irdl_op_definition
class IngestionOp(PrimitiveOp):
    """Writes embeddings into a store and gives an index over exactly those.

    %i = prim.ingestion(%e) engine "vector store" work <items = 48>
        : (!prim.embeddings) -> !prim.index
    """

    name = "prim.ingestion"

    output = result_def()

    traits = traits_def(Batchable(), Splittable(0, Gathering.UNION), MemoryWriteEffect())


class _TopOp(PrimitiveOp):
    """Gives the best `top`."""

    top = prop_def(IntAttr)

    @classmethod
    def parse_own(cls, parser: Parser) -> syntax.Properties:
        top = syntax.parse_optional_count(parser, "top")
        if top is None:
            parser.raise_error(f"{cls.name}: expected `top N`, how many it gives")
        return {"top": top}

    def print_own(self, printer: Printer) -> None:
        printer.print_string(f" top {self.top.data}")


@irdl_op_definition
class SearchingOp(_TopOp):
    """For each query the `top` nearest texts of an index, nearest first; one query after another.

    %c = prim.searching(%i, %q) top 16 engine "vector store"
        : (!prim.index, !prim.embeddings) -> !prim.chunks
    """

    name = "prim.searching"

    output = result_def()

    traits = traits_def(Batchable(), Splittable(1, Gathering.CONCAT), MemoryReadEffect())


@irdl_op_definition
class RerankingOp(_TopOp):
    """The `top` texts that suit a query best, best first.

    %best = prim.reranking(%query, %c) top 3 engine "reranker" work <items = 48>
        : (!flow.text, !prim.chunks) -> !prim.chunks
    """

    name = "prim.reranking"

    output = result_def()

    traits = traits_def(Batchable(), Pure())


@irdl_op_definition
class ToolOp(PrimitiveOp):
    """A call of a declared tool, with the effect that is declared.

    %page = prim.tool @fetch(%url) engine "@fetch" : (!flow.text) -> !flow.text
    """

    name = "prim.tool"

    callee = prop_def(SymbolRefAttr)
    output = result_def()

    traits = traits_def(InvocationEffect())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        callee = syntax.parse_symbol(parser)
        return parse_rest(cls, parser, syntax.parse_operands(parser), {"callee": callee})

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        syntax.print_symbol(printer, self.callee)
        super().print(printer)


@irdl_op_definition
class ItemOp(PrimitiveOp):
    """One item of a list, counted from 0; missing where the list is shorter.

    After the `last` one no more may come: the list of a map is no longer than its `max`.

    %second = prim.item(%chunks) 1 : (!prim.chunks) -> !flow.text
    """

    name = "prim.item"

    place = prop_def(IntAttr)
    last = opt_prop_def(UnitAttr)
    output = result_def()

    traits = traits_def(Pure())

    @classmethod
    def parse_own(cls, parser: Parser) -> syntax.Properties:
        place = parser.parse_integer(allow_boolean=False, allow_negative=False)
        found: syntax.Properties = {"place": IntAttr(place)}
        if parser.parse_optional_keyword("last"):
            found["last"] = UnitAttr()
        return found

    def print_own(self, printer: Printer) -> None:
        printer.print_string(f" {self.place.data}")
        if self.last is not None:
            printer.print_string(" last")


@irdl_op_definition
class AggregateOp(PrimitiveOp):
    """One value of several; see `Gathering`.

    %e = prim.aggregate concat(%e1, %e2)
        : (!prim.embeddings, !prim.embeddings) -> !prim.embeddings
    %a = prim.aggregate choose(%left, %right, %yes, %no)
        : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
    """

    name = "prim.aggregate"

    mode = prop_def(GatheringAttr)
    output = result_def()

    traits = traits_def(Pure())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        mode = GatheringAttr(parser.parse_str_enum(Gathering))
        return parse_rest(cls, parser, syntax.parse_operands(parser), {"mode": mode})

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.mode.data}")
        super().print(printer)


@irdl_op_definition
class ConditionOp(PrimitiveOp):
    """Which case a value is: one guard per case, of which one holds; `else` is any other label.

    The number beside a case is how often it is expected; without numbers all alike. Where the
    condition does not run no guard holds.

        %easy, %hard = prim.condition label(%kind) ["easy" 0.7, else 0.3]
            : (!flow.label) -> (!prim.guard, !prim.guard)
    """

    name = "prim.condition"
    VARIED_RESULTS: ClassVar[bool] = True

    test = prop_def(TestAttr)
    cases = prop_def(ArrayAttr[StringAttr])
    otherwise = opt_prop_def(UnitAttr)
    odds = opt_prop_def(ArrayAttr[FloatData])
    guards = var_result_def(GuardType)

    traits = traits_def(Pure())

    @property
    def names(self) -> tuple[str, ...]:
        """The label of each guard; `else` is the empty string."""
        return (*(case.data for case in self.cases), *([""] if self.otherwise else []))

    @property
    def chances(self) -> tuple[float, ...]:
        """How often each guard holds, of the times the condition runs."""
        if self.odds is None:
            return (1.0 / len(self.names),) * len(self.names)
        return tuple(chance.data for chance in self.odds)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        properties: syntax.Properties = {"test": TestAttr(parser.parse_str_enum(Test))}
        operands = syntax.parse_operands(parser)
        start = parser.pos
        cases: list[StringAttr] = []
        odds: list[FloatData] = []

        def case() -> None:
            if parser.parse_optional_keyword("else"):
                properties["otherwise"] = UnitAttr()
            else:
                label = parse_optional_text(parser)
                if label is None or "otherwise" in properties:
                    parser.raise_error(
                        'prim.condition: expected "label", or `else` as the last case'
                    )
                cases.append(StringAttr(label))
            if (number := parser.parse_optional_number()) is not None:
                odds.append(FloatData(float(number)))

        parser.parse_comma_separated_list(parser.Delimiter.SQUARE, case)
        properties["cases"] = ArrayAttr(cases)
        if odds:
            if len(odds) != len(cases) + ("otherwise" in properties):
                parser.raise_error("prim.condition: give odds for every case or for none", start)
            properties["odds"] = ArrayAttr(odds)
        return parse_rest(cls, parser, operands, properties)

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.test.data}")
        syntax.print_operands(printer, self.inputs)
        printer.print_string(" [")
        for place, label in enumerate(self.names):
            if place:
                printer.print_string(", ")
            if place < len(self.cases):
                print_text(printer, label)
            else:
                printer.print_string("else")
            if self.odds is not None:
                printer.print_string(f" {number_text(self.odds.data[place].data)}")
        printer.print_string("]")
        print_rest(printer, self)
