"""The `flow` dialect: structured LLM workflows.

SSA operands are the only ordering: calls with no path between them may run at the same time. Loops
and maps are bounded. Sampling a model is not pure: two identical calls are two draws, so a call
allocates its own result, which lets dead calls be dropped and never merges live ones.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatData,
    FunctionType,
    IntAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    UnitAttr,
)
from xdsl.dialects.utils import parse_func_op_like, print_func_op_like
from xdsl.ir import Attribute, Dialect, Operation, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
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
from xdsl.pattern_rewriter import RewritePattern
from xdsl.printer import Printer
from xdsl.traits import (
    EffectInstance,
    HasCanonicalizationPatternsTrait,
    HasParent,
    IsolatedFromAbove,
    IsTerminator,
    MemoryEffect,
    MemoryEffectKind,
    Pure,
    RecursiveMemoryEffect,
    SymbolOpInterface,
    SymbolTable,
)

from flowir.dialects import flow_checks as checks
from flowir.dialects import flow_syntax as syntax
from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.flow_types import (
    AcceptsAttr,
    BoolType,
    Effect,
    EffectAttr,
    JoinMode,
    JoinModeAttr,
    JsonType,
    LabelType,
    ListType,
    TextType,
    text,
)
from flowir.dialects.literals import float_text, parse_float, print_text


def _effects_of_symbol(op: Operation, symbol: SymbolRefAttr) -> AbstractSet[EffectInstance] | None:
    """Effects of invoking an agent, a tool or a workflow; None where the symbol is unknown."""
    callee = SymbolTable.lookup_symbol(op, symbol)
    match callee:
        case AgentOp():
            return {EffectInstance(MemoryEffectKind.ALLOC, result) for result in op.results}
        case ToolOp():
            return {
                Effect.PURE: frozenset(),
                Effect.READS: {EffectInstance(MemoryEffectKind.READ)},
                Effect.WRITES: {
                    EffectInstance(MemoryEffectKind.READ),
                    EffectInstance(MemoryEffectKind.WRITE),
                },
            }[callee.effect.data]
        case WorkflowOp():
            inside = RecursiveMemoryEffect.get_effects(callee)
            if inside is None:
                return None
            own = {EffectInstance(MemoryEffectKind.ALLOC, result) for result in op.results}
            return own | {e for e in inside if e.kind is not MemoryEffectKind.ALLOC}
        case _:
            return None


class InvocationEffect(MemoryEffect):
    """The effects of what `callee`, `by`, `key` and `until` name."""

    @classmethod
    def get_effects(cls, op: Operation) -> AbstractSet[EffectInstance] | None:
        effects: set[EffectInstance] = set()
        for name in ("callee", "by", "key", "until"):
            symbol = op.properties.get(name)
            if not isinstance(symbol, SymbolRefAttr):
                continue
            found = _effects_of_symbol(op, symbol)
            if found is None:
                return None
            effects |= found
        return effects


class Canonicalizable(HasCanonicalizationPatternsTrait):
    """Its patterns live in `flowir.passes.canonicalization.flow`, imported when first wanted."""

    def get_patterns(self, op: type[Operation]) -> tuple[RewritePattern, ...]:
        from flowir.passes.canonicalization.flow import PATTERNS

        return PATTERNS.get(op, ())

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return ()


@irdl_op_definition
class AgentOp(IRDLOperation):
    """Declares a sub-agent: what it is told, what it answers, and what may be chosen for it.

    Its inputs are the variables of `system` and `prompt`, by first appearance. `parser` turns the
    model's text into the output type; `baseline` is today's configuration.

        flow.agent @coder prompt "Complete this function.\\n\\n{task}"
          space <models = ["gpt-3.5-turbo-0613", "gpt-4-0613"]>
          baseline <"gpt-4-0613">
    """

    name = "flow.agent"

    sym_name = prop_def(SymbolNameConstraint())
    prompt = prop_def(StringAttr)
    system = opt_prop_def(StringAttr)
    output = prop_def(Attribute, default_value=text)
    parser = opt_prop_def(StringAttr)
    metric = opt_prop_def(StringAttr)
    space = opt_prop_def(SpaceAttr)
    baseline = opt_prop_def(ConfigAttr)

    traits = traits_def(SymbolOpInterface())

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order calls give them."""
        return checks.agent_inputs(self)

    @classmethod
    def parse(cls, parser: Parser) -> AgentOp:
        properties: syntax.Properties = {"sym_name": parser.parse_symbol_name()}
        for name in ("system", "prompt"):
            if parser.parse_optional_keyword(name):
                properties[name] = StringAttr(parser.parse_str_literal(f": text after `{name}`"))
        if "prompt" not in properties:
            parser.raise_error('flow.agent: expected `prompt "…"`')
        if parser.parse_optional_punctuation("->"):
            properties["output"] = parser.parse_type()
        for name in ("parser", "metric"):
            if parser.parse_optional_keyword(name):
                properties[name] = StringAttr(parser.parse_str_literal(f": name after `{name}`"))
        if parser.parse_optional_keyword("space"):
            properties["space"] = SpaceAttr.new(SpaceAttr.parse_parameters(parser))
        if parser.parse_optional_keyword("baseline"):
            properties["baseline"] = ConfigAttr.new(ConfigAttr.parse_parameters(parser))
        return cls.create(properties=properties, attributes=syntax.parse_attributes(parser))

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.sym_name.data)
        for name in ("system", "prompt"):
            if isinstance(value := self.properties.get(name), StringAttr):
                printer.print_string(f" {name} ")
                print_text(printer, value.data)
        if self.output != text:
            printer.print_string(" -> ")
            printer.print_attribute(self.output)
        for name in ("parser", "metric"):
            if isinstance(value := self.properties.get(name), StringAttr):
                printer.print_string(f" {name} ")
                print_text(printer, value.data)
        with printer.indented():
            for name in ("space", "baseline"):
                if isinstance(choice := self.properties.get(name), SpaceAttr | ConfigAttr):
                    printer.print_string(f"\n{name} ")
                    choice.print_parameters(printer)
        printer.print_op_attributes(self.attributes, print_keyword=True)

    def verify_(self) -> None:
        checks.verify_agent(self)


@irdl_op_definition
class ToolOp(IRDLOperation):
    """Declares code. `impl` is `module:function`; a checker also says how it `accepts`.

    Without an `effect` a tool is taken to write: it is never merged, dropped or run ahead.

        flow.tool @visible_tests impl "code_repair.tools:visible_tests" -> !flow.bool effect pure
          latency 0.05 accepts <right = 0.99, wrong = 0.2, persistence = 0.9>
    """

    name = "flow.tool"

    sym_name = prop_def(SymbolNameConstraint())
    impl = prop_def(StringAttr)
    output = prop_def(Attribute, default_value=text)
    effect = prop_def(EffectAttr, default_value=EffectAttr(Effect.WRITES))
    latency = prop_def(FloatData, default_value=FloatData(0.0))
    accepts = opt_prop_def(AcceptsAttr)

    traits = traits_def(SymbolOpInterface())

    @classmethod
    def parse(cls, parser: Parser) -> ToolOp:
        properties: syntax.Properties = {"sym_name": parser.parse_symbol_name()}
        parser.parse_keyword("impl")
        properties["impl"] = StringAttr(parser.parse_str_literal(": module:function after `impl`"))
        if parser.parse_optional_punctuation("->"):
            properties["output"] = parser.parse_type()
        if parser.parse_optional_keyword("effect"):
            properties["effect"] = EffectAttr(parser.parse_str_enum(Effect))
        if parser.parse_optional_keyword("latency"):
            properties["latency"] = parse_float(parser)
        if parser.parse_optional_keyword("accepts"):
            properties["accepts"] = AcceptsAttr.new(AcceptsAttr.parse_parameters(parser))
        return cls.create(properties=properties, attributes=syntax.parse_attributes(parser))

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.sym_name.data)
        printer.print_string(" impl ")
        print_text(printer, self.impl.data)
        if self.output != text:
            printer.print_string(" -> ")
            printer.print_attribute(self.output)
        if self.effect.data is not Effect.WRITES:
            printer.print_string(f" effect {self.effect.data}")
        if self.latency.data:
            printer.print_string(f" latency {float_text(self.latency.data)}")
        if self.accepts is not None:
            printer.print_string(" accepts ")
            self.accepts.print_parameters(printer)
        printer.print_op_attributes(self.attributes, print_keyword=True)

    def verify_(self) -> None:
        checks.verify_tool(self)


@irdl_op_definition
class WorkflowOp(IRDLOperation):
    """A workflow: a symbol, isolated from above; another workflow may call it."""

    name = "flow.workflow"

    sym_name = prop_def(SymbolNameConstraint())
    function_type = prop_def(FunctionType)
    body = region_def("single_block")

    traits = traits_def(SymbolOpInterface(), IsolatedFromAbove(), RecursiveMemoryEffect())

    @classmethod
    def parse(cls, parser: Parser) -> WorkflowOp:
        name, inputs, outputs, region, attributes, _, _ = parse_func_op_like(
            parser, reserved_attr_names=("sym_name", "function_type")
        )
        properties = {
            "sym_name": StringAttr(name),
            "function_type": FunctionType.from_lists(inputs, outputs),
        }
        return cls.create(
            properties=properties,
            attributes={} if attributes is None else dict(attributes.data),
            regions=[region],
        )

    def print(self, printer: Printer) -> None:
        print_func_op_like(
            printer,
            self.sym_name,
            self.function_type,
            self.body,
            self.attributes,
            reserved_attr_names=(),
        )

    def verify_(self) -> None:
        checks.verify_workflow(self)


@irdl_op_definition
class CallOp(IRDLOperation):
    """One invocation of an agent, a tool or a workflow.

    `at` is the stable site name, `as` the decision group, `space` narrows the agent's space,
    `config` is what was chosen.

        %draft = flow.call @coder(%task) at "draft" as "strong" : (!flow.text) -> !flow.text
    """

    name = "flow.call"

    callee = prop_def(SymbolRefAttr)
    inputs = var_operand_def()
    output = result_def()
    site = opt_prop_def(StringAttr)
    group = opt_prop_def(StringAttr)
    space = opt_prop_def(SpaceAttr)
    config = opt_prop_def(ConfigAttr)

    traits = traits_def(InvocationEffect())

    @classmethod
    def parse(cls, parser: Parser) -> CallOp:
        properties: syntax.Properties = {"callee": syntax.parse_symbol(parser)}
        start = parser.pos
        operands = syntax.parse_operands(parser)
        syntax.parse_clauses(parser, properties, "site", "group", "space", "config")
        attributes = syntax.parse_attributes(parser)
        parser.parse_punctuation(":")
        function = parser.parse_attribute()
        if not isinstance(function, FunctionType):
            parser.raise_error(
                "flow.call: expected a type such as (!flow.text) -> !flow.text", start
            )
        return cls.create(
            operands=parser.resolve_operands(operands, function.inputs.data, start),
            result_types=function.outputs.data,
            properties=properties,
            attributes=attributes,
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        syntax.print_symbol(printer, self.callee)
        syntax.print_operands(printer, self.inputs)
        syntax.print_clauses(printer, self)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        printer.print_string(" : ")
        with printer.in_parens():
            printer.print_list([value.type for value in self.inputs], printer.print_attribute)
        printer.print_string(" -> ")
        printer.print_attribute(self.output.type)


@irdl_op_definition
class JoinOp(IRDLOperation):
    """Makes one value of several.

    `all`, `any` give a list, `concat` text; `vote` the plurality answer (labels by `key`, else the
    exact text; ties to the earliest); `select` what the agent `by` picks.

        %best = flow.join select(%a, %b) by @judge(%task : !flow.text)
            : (!flow.text, !flow.text) -> !flow.text
    """

    name = "flow.join"

    mode = prop_def(JoinModeAttr)
    inputs = var_operand_def()
    context = var_operand_def()
    output = result_def()
    by = opt_prop_def(SymbolRefAttr)
    key = opt_prop_def(SymbolRefAttr)
    site = opt_prop_def(StringAttr)
    group = opt_prop_def(StringAttr)
    config = opt_prop_def(ConfigAttr)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(InvocationEffect(), Canonicalizable())

    @classmethod
    def parse(cls, parser: Parser) -> JoinOp:
        properties: syntax.Properties = {"mode": JoinModeAttr(parser.parse_str_enum(JoinMode))}
        start = parser.pos
        operands = syntax.parse_operands(parser)
        context: list[SSAValue] = []
        if parser.parse_optional_keyword("by"):
            properties["by"] = syntax.parse_symbol(parser)
            context = syntax.parse_optional_typed_operands(parser)
        if parser.parse_optional_keyword("key"):
            properties["key"] = syntax.parse_symbol(parser)
        syntax.parse_clauses(parser, properties, "site", "group", "config")
        attributes = syntax.parse_attributes(parser)
        parser.parse_punctuation(":")
        function = parser.parse_attribute()
        if not isinstance(function, FunctionType) or len(function.outputs) != 1:
            parser.raise_error(
                "flow.join: expected a type such as (!flow.text) -> !flow.text", start
            )
        inputs = parser.resolve_operands(operands, function.inputs.data, start)
        return cls.build(
            operands=[inputs, context],
            result_types=[function.outputs.data[0]],
            properties=properties,
            attributes=attributes,
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.mode.data}")
        syntax.print_operands(printer, self.inputs)
        if self.by is not None:
            printer.print_string(" by ")
            syntax.print_symbol(printer, self.by)
            syntax.print_optional_typed_operands(printer, self.context)
        if self.key is not None:
            printer.print_string(" key ")
            syntax.print_symbol(printer, self.key)
        syntax.print_clauses(printer, self)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        printer.print_string(" : ")
        with printer.in_parens():
            printer.print_list([value.type for value in self.inputs], printer.print_attribute)
        printer.print_string(" -> ")
        printer.print_attribute(self.output.type)

    def verify_(self) -> None:
        checks.verify_join(self)


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
    traits = traits_def(RecursiveMemoryEffect(), Canonicalizable())

    @property
    def blocks(self) -> tuple[tuple[str | None, Region], ...]:
        """(label, region) pairs; the `else` region has no label and comes last."""
        named = [(name.data, region) for name, region in zip(self.labels, self.cases, strict=True)]
        return (*named, *([(None, self.otherwise)] if self.otherwise is not None else []))

    @classmethod
    def parse(cls, parser: Parser) -> BranchOp:
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

        while (name := parser.parse_optional_str_literal()) is not None:
            labels.append(StringAttr(name))
            case(regions)
        if parser.parse_optional_keyword("else"):
            case(otherwise)
        if weights and len(weights) != len(regions) + len(otherwise):
            parser.raise_error("flow.branch: give `weight` on every case or on none")
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

    traits = traits_def(RecursiveMemoryEffect(), InvocationEffect(), Canonicalizable())

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

    traits = traits_def(RecursiveMemoryEffect(), InvocationEffect(), Canonicalizable())

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

    traits = traits_def(RecursiveMemoryEffect(), Canonicalizable())

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

    traits = traits_def(RecursiveMemoryEffect(), Canonicalizable())

    @classmethod
    def parse(cls, parser: Parser) -> AlternativesOp:
        choice = StringAttr(parser.parse_str_literal(": name of the choice"))
        parser.parse_punctuation("->")
        result = parser.parse_type()
        attributes = syntax.parse_attributes(parser)
        labels: list[StringAttr] = []
        regions: list[Region] = []
        while (name := parser.parse_optional_str_literal()) is not None:
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
        HasParent(AlternativesOp, BranchOp, FallbackOp, MapOp, RefineOp),
    )

    def __init__(self, value: SSAValue) -> None:
        super().__init__(operands=[value])


@irdl_op_definition
class ReturnOp(IRDLOperation):
    """Gives the result of a workflow."""

    name = "flow.return"

    value = operand_def()
    assembly_format = "$value attr-dict `:` type($value)"

    traits = traits_def(IsTerminator(), Pure(), HasParent(WorkflowOp))

    def __init__(self, value: SSAValue) -> None:
        super().__init__(operands=[value])


AgentCaller = CallOp | JoinOp | FallbackOp | RefineOp
"""Ops that may call an agent, and so carry a `config`."""


def called_symbol(op: Operation) -> str | None:
    """The symbol an op calls: the callee, the selector, the checker; None of any other op."""
    for name in ("callee", "by", "until"):
        if isinstance(symbol := op.properties.get(name), SymbolRefAttr):
            return symbol.root_reference.data
    return None


Flow = Dialect(
    "flow",
    [
        AgentOp,
        AlternativesOp,
        BranchOp,
        CallOp,
        FallbackOp,
        JoinOp,
        MapOp,
        RefineOp,
        ReturnOp,
        ToolOp,
        WorkflowOp,
        YieldOp,
    ],
    [
        AcceptsAttr,
        BoolType,
        EffectAttr,
        JoinModeAttr,
        JsonType,
        LabelType,
        ListType,
        TextType,
    ],
)
