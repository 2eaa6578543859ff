"""Operations with regions: branch, fallback, refine, map and alternatives."""

from __future__ import annotations

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatData,
    IntAttr,
    StringAttr,
    SymbolRefAttr,
    UnitAttr,
)
from xdsl.ir import Region, SSAValue
from xdsl.irdl import (
    AttrSizedRegionSegments,
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    opt_region_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_region_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import (
    HasAncestor,
    HasParent,
    IsTerminator,
    Pure,
    RecursiveMemoryEffect,
)

from flowir.dialects import flow_checks as checks
from flowir.dialects import flow_syntax as syntax
from flowir.dialects.dse import ConfigAttr
from flowir.dialects.flow_declarations import WorkflowOp
from flowir.dialects.flow_plan import PlanOp
from flowir.dialects.flow_traits import Canonicalizable, InvocationEffect
from flowir.dialects.flow_types import (
    LabelType,
    ListType,
    text,
)
from flowir.dialects.literals import (
    float_text,
    parse_float,
    parse_optional_text,
    parse_text,
    print_text,
)


@irdl_op_definition
class BranchOp(IRDLOperation):
    """One region per label; `else` where the label may be something else, as a model's always may.

    `weight` is how often a case is taken, where no observations of the router say it.

        %a = flow.branch %kind : !flow.label -> !flow.text
          "easy" weight 0.7 { … }
          else weight 0.3 { … }
    """

    name = "flow.branch"

    on = operand_def(LabelType)
    output = result_def()
    labels = prop_def(ArrayAttr[StringAttr])
    weights = opt_prop_def(ArrayAttr[FloatData])
    site = opt_prop_def(StringAttr)
    cases = var_region_def("single_block")
    otherwise = opt_region_def("single_block")

    irdl_options = (AttrSizedRegionSegments(as_property=True),)
    traits = traits_def(HasAncestor(WorkflowOp), RecursiveMemoryEffect(), Canonicalizable())

    @property
    def blocks(self) -> tuple[tuple[str | None, Region], ...]:
        """(label, region) pairs; the `else` region has no label and comes last."""
        named = [(name.data, region) for name, region in zip(self.labels, self.cases, strict=True)]
        return (*named, *([(None, self.otherwise)] if self.otherwise is not None else []))

    @classmethod
    def parse(cls, parser: Parser) -> BranchOp:
        start = parser.pos
        operand = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        on = parser.resolve_operand(operand, parser.parse_type())
        properties: syntax.Properties = {}
        syntax.parse_clauses(parser, properties, "site")
        parser.parse_punctuation("->")
        result = parser.parse_type()
        attributes = syntax.parse_attributes(parser)
        labels: list[StringAttr] = []
        weights: list[FloatData] = []
        regions: list[Region] = []
        otherwise: list[Region] = []

        def case(into: list[Region]) -> None:
            if parser.parse_optional_keyword("weight"):
                weights.append(parse_float(parser))
            into.append(parser.parse_region())

        while (name := parse_optional_text(parser)) is not None:
            labels.append(StringAttr(name))
            case(regions)
        if parser.parse_optional_keyword("else"):
            case(otherwise)
        if weights and len(weights) != len(regions) + len(otherwise):
            parser.raise_error("flow.branch: give `weight` on every case or on none", start)
        properties["labels"] = ArrayAttr(labels)
        if weights:
            properties["weights"] = ArrayAttr(weights)
        return cls.build(
            operands=[on],
            result_types=[result],
            properties=properties,
            attributes=attributes,
            regions=[regions, otherwise],
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.on)
        printer.print_string(" : ")
        printer.print_attribute(self.on.type)
        syntax.print_clauses(printer, self)
        printer.print_string(" -> ")
        printer.print_attribute(self.output.type)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        weights = [None] * len(self.blocks) if self.weights is None else [*self.weights]
        with printer.indented():
            for (name, region), weight in zip(self.blocks, weights, strict=True):
                printer.print_string("\n")
                if name is None:
                    printer.print_string("else")
                else:
                    print_text(printer, name)
                if weight is not None:
                    printer.print_string(f" weight {float_text(weight.data)}")
                printer.print_string(" ")
                syntax.print_region(printer, region)

    def verify_(self) -> None:
        checks.verify_branch(self)


@irdl_op_definition
class FallbackOp(IRDLOperation):
    """Tiers in order until the checker accepts; the last tier is not checked, its result is given.

    `max N` runs the first region up to N times. The checker sees its operands and then the value.

        %kept = flow.fallback until @tests(%task : !flow.text) max 5 -> !flow.text { … } else { … }
    """

    name = "flow.fallback"

    until = prop_def(SymbolRefAttr)
    context = var_operand_def()
    output = result_def()
    bound = prop_def(IntAttr, default_value=IntAttr(1))
    site = opt_prop_def(StringAttr)
    group = opt_prop_def(StringAttr)
    config = opt_prop_def(ConfigAttr)
    tiers = var_region_def("single_block")

    traits = traits_def(
        HasAncestor(WorkflowOp), RecursiveMemoryEffect(), InvocationEffect(), Canonicalizable()
    )

    @classmethod
    def parse(cls, parser: Parser) -> FallbackOp:
        parser.parse_keyword("until")
        properties: syntax.Properties = {"until": syntax.parse_symbol(parser)}
        context = syntax.parse_optional_typed_operands(parser)
        if (bound := syntax.parse_optional_count(parser, "max")) is not None:
            properties["bound"] = bound
        syntax.parse_clauses(parser, properties, "site", "group", "config")
        parser.parse_punctuation("->")
        result = parser.parse_type()
        attributes = syntax.parse_attributes(parser)
        regions = [parser.parse_region()]
        while parser.parse_optional_keyword("else"):
            regions.append(parser.parse_region())
        return cls.build(
            operands=[context],
            result_types=[result],
            properties=properties,
            attributes=attributes,
            regions=[regions],
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(" until ")
        syntax.print_symbol(printer, self.until)
        syntax.print_optional_typed_operands(printer, self.context)
        if self.bound.data != 1:
            printer.print_string(f" max {self.bound.data}")
        syntax.print_clauses(printer, self)
        printer.print_string(" -> ")
        printer.print_attribute(self.output.type)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        for number, region in enumerate(self.tiers):
            printer.print_string(" else " if number else " ")
            syntax.print_region(printer, region)

    def verify_(self) -> None:
        checks.verify_fallback(self)


@irdl_op_definition
class RefineOp(IRDLOperation):
    """Check the value; while it is rejected, at most `max` times, replace it by the body's result.

    There are at most `max` bodies and checks, none after the last body. The body sees the value and
    the critic's feedback.

        %best = flow.refine(%value, %feedback) from %draft : !flow.text max 3 until @critic { … }
    """

    name = "flow.refine"

    initial = operand_def()
    until = prop_def(SymbolRefAttr)
    context = var_operand_def()
    output = result_def()
    bound = prop_def(IntAttr)
    site = opt_prop_def(StringAttr)
    group = opt_prop_def(StringAttr)
    config = opt_prop_def(ConfigAttr)
    body = region_def("single_block")

    traits = traits_def(
        HasAncestor(WorkflowOp), RecursiveMemoryEffect(), InvocationEffect(), Canonicalizable()
    )

    @classmethod
    def parse(cls, parser: Parser) -> RefineOp:
        parser.parse_punctuation("(")
        value = parser.parse_argument(expect_type=False)
        parser.parse_punctuation(",")
        feedback = parser.parse_argument(expect_type=False)
        parser.parse_punctuation(")")
        parser.parse_keyword("from")
        operand = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        carried = parser.parse_type()
        initial = parser.resolve_operand(operand, carried)
        properties: syntax.Properties = {}
        bound = syntax.parse_optional_count(parser, "max")
        if bound is None:
            parser.raise_error("flow.refine: expected `max N`; loops are always bounded")
        properties["bound"] = bound
        parser.parse_keyword("until")
        properties["until"] = syntax.parse_symbol(parser)
        context = syntax.parse_optional_typed_operands(parser)
        syntax.parse_clauses(parser, properties, "site", "group", "config")
        attributes = syntax.parse_attributes(parser)
        region = parser.parse_region([value.resolve(carried), feedback.resolve(text)])
        return cls.build(
            operands=[initial, context],
            result_types=[carried],
            properties=properties,
            attributes=attributes,
            regions=[region],
        )

    def print(self, printer: Printer) -> None:
        syntax.print_operands(printer, self.body.block.args)
        printer.print_string(" from ")
        printer.print_ssa_value(self.initial)
        printer.print_string(" : ")
        printer.print_attribute(self.initial.type)
        printer.print_string(f" max {self.bound.data} until ")
        syntax.print_symbol(printer, self.until)
        syntax.print_optional_typed_operands(printer, self.context)
        syntax.print_clauses(printer, self)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        printer.print_string(" ")
        syntax.print_region(printer, self.body)

    def verify_(self) -> None:
        checks.verify_refine(self)


@irdl_op_definition
class MapOp(IRDLOperation):
    """The body once per item, concurrently; gives the list of results.

    `width` is the number of items predictions assume (default: `max`). The list is right iff every
    item is; `mean` counts the share of right items and is allowed only for a workflow's result.

        %ys = flow.map(%x) in %xs : !flow.list<!flow.text> max 8 width 3
            -> !flow.list<!flow.text> { … }
    """

    name = "flow.map"

    source = operand_def(ListType)
    output = result_def(ListType)
    bound = prop_def(IntAttr)
    width = opt_prop_def(IntAttr)
    mean = opt_prop_def(UnitAttr)
    site = opt_prop_def(StringAttr)
    body = region_def("single_block")

    traits = traits_def(HasAncestor(WorkflowOp), RecursiveMemoryEffect(), Canonicalizable())

    @classmethod
    def parse(cls, parser: Parser) -> MapOp:
        parser.parse_punctuation("(")
        item = parser.parse_argument(expect_type=False)
        parser.parse_punctuation(")")
        parser.parse_keyword("in")
        start = parser.pos
        operand = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        kind = parser.parse_type()
        if not isinstance(kind, ListType):
            parser.raise_error(f"flow.map: expected a !flow.list to go through, got {kind}", start)
        source = parser.resolve_operand(operand, kind)
        properties: syntax.Properties = {}
        bound = syntax.parse_optional_count(parser, "max")
        if bound is None:
            parser.raise_error("flow.map: expected `max N`; maps are always bounded")
        properties["bound"] = bound
        if (width := syntax.parse_optional_count(parser, "width")) is not None:
            properties["width"] = width
        if parser.parse_optional_keyword("mean"):
            properties["mean"] = UnitAttr()
        syntax.parse_clauses(parser, properties, "site")
        parser.parse_punctuation("->")
        result = parser.parse_type()
        attributes = syntax.parse_attributes(parser)
        region = parser.parse_region([item.resolve(kind.element)])
        return cls.build(
            operands=[source],
            result_types=[result],
            properties=properties,
            attributes=attributes,
            regions=[region],
        )

    def print(self, printer: Printer) -> None:
        syntax.print_operands(printer, self.body.block.args)
        printer.print_string(" in ")
        printer.print_ssa_value(self.source)
        printer.print_string(" : ")
        printer.print_attribute(self.source.type)
        printer.print_string(f" max {self.bound.data}")
        if self.width is not None:
            printer.print_string(f" width {self.width.data}")
        if self.mean is not None:
            printer.print_string(" mean")
        syntax.print_clauses(printer, self)
        printer.print_string(" -> ")
        printer.print_attribute(self.output.type)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        printer.print_string(" ")
        syntax.print_region(printer, self.body)

    def verify_(self) -> None:
        checks.verify_map(self)


@irdl_op_definition
class AlternativesOp(IRDLOperation):
    """Regions of which compilation picks exactly one; the first is what is done today.

    The same name twice in a workflow is one tied choice.

        %a = flow.alternatives "strategy" -> !flow.text "once" { … } "retry" { … }
    """

    name = "flow.alternatives"

    choice = prop_def(StringAttr)
    labels = prop_def(ArrayAttr[StringAttr])
    output = result_def()
    cases = var_region_def("single_block")

    traits = traits_def(HasAncestor(WorkflowOp), RecursiveMemoryEffect(), Canonicalizable())

    @classmethod
    def parse(cls, parser: Parser) -> AlternativesOp:
        choice = StringAttr(parse_text(parser, "name of the choice"))
        parser.parse_punctuation("->")
        result = parser.parse_type()
        attributes = syntax.parse_attributes(parser)
        labels: list[StringAttr] = []
        regions: list[Region] = []
        while (name := parse_optional_text(parser)) is not None:
            labels.append(StringAttr(name))
            regions.append(parser.parse_region())
        return cls.build(
            result_types=[result],
            properties={"choice": choice, "labels": ArrayAttr(labels)},
            attributes=attributes,
            regions=[regions],
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        print_text(printer, self.choice.data)
        printer.print_string(" -> ")
        printer.print_attribute(self.output.type)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        with printer.indented():
            for name, region in zip(self.labels, self.cases, strict=True):
                printer.print_string("\n")
                print_text(printer, name.data)
                printer.print_string(" ")
                syntax.print_region(printer, region)

    def verify_(self) -> None:
        checks.verify_alternatives(self)


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Gives the value of a region."""

    name = "flow.yield"

    value = operand_def()
    assembly_format = "$value attr-dict `:` type($value)"

    traits = traits_def(
        IsTerminator(),
        Pure(),
        HasParent(AlternativesOp, BranchOp, FallbackOp, MapOp, PlanOp, RefineOp),
    )

    def __init__(self, value: SSAValue) -> None:
        super().__init__(operands=[value])
