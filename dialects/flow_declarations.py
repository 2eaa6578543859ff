"""What a module of the `flow` dialect declares: agents, tools and workflows."""

from __future__ import annotations

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatData,
    FunctionType,
    IntAttr,
    StringAttr,
    SymbolNameConstraint,
    UnitAttr,
)
from xdsl.dialects.utils import parse_func_op_like, print_func_op_like
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import (
    HasParent,
    IsolatedFromAbove,
    IsTerminator,
    Pure,
    RecursiveMemoryEffect,
    SymbolOpInterface,
)

from flowir.dialects import flow_checks as checks
from flowir.dialects import flow_syntax as syntax
from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.flow_types import (
    AcceptsAttr,
    Effect,
    EffectAttr,
    PrimitiveAttr,
    text,
)
from flowir.dialects.flow_workflow_checks import verify_workflow
from flowir.dialects.literals import float_text, parse_float, parse_text, print_text
from flowir.dialects.plan_signature import (
    ParameterAttr,
    parse_parameters,
    print_parameters,
    signature_from,
)
from flowir.plan.signatures import Signature


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
                properties[name] = StringAttr(parse_text(parser, f"text after `{name}`"))
        if "prompt" not in properties:
            parser.raise_error('flow.agent: expected `prompt "…"`')
        if parser.parse_optional_punctuation("->"):
            properties["output"] = parser.parse_type()
        for name in ("parser", "metric"):
            if parser.parse_optional_keyword(name):
                properties[name] = StringAttr(parse_text(parser, f"name after `{name}`"))
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

    What plans may call says with its names what it `takes`, and with `about` what it is for; of its
    calls in one plan at most `concurrency` run at once, each for at most `timeout` seconds.

    What engines do says so with `as`: an embedding, ingestion, search or reranking, one item of a
    list, or a tool that runs on an engine of its own.

        flow.tool @visible_tests impl "code_repair.tools:visible_tests" -> !flow.bool effect pure
          latency 0.05 accepts <right = 0.99, wrong = 0.2, persistence = 0.9>
        flow.tool @search impl "web:search" takes (query: text, limit?: integer) effect reads
          latency 0.6 concurrency 4 timeout 10.0 about "finds pages"
        flow.tool @nearest impl "rag:nearest" -> !flow.list<!flow.text> effect reads
          as searching top 16 engine "vector store"
    """

    name = "flow.tool"

    sym_name = prop_def(SymbolNameConstraint())
    impl = prop_def(StringAttr)
    output = prop_def(Attribute, default_value=text)
    effect = prop_def(EffectAttr, default_value=EffectAttr(Effect.WRITES))
    latency = prop_def(FloatData, default_value=FloatData(0.0))
    accepts = opt_prop_def(AcceptsAttr)
    takes = opt_prop_def(ArrayAttr[ParameterAttr])
    concurrency = opt_prop_def(IntAttr)
    timeout = opt_prop_def(FloatData)
    about = opt_prop_def(StringAttr)
    primitive = opt_prop_def(PrimitiveAttr)

    traits = traits_def(SymbolOpInterface())

    @property
    def signature(self) -> Signature:
        """What a plan's call of it is held against."""
        about = "" if self.about is None else self.about.data
        pure = self.effect.data is Effect.PURE
        return signature_from(self.sym_name.data, self.takes or (), about, pure)

    @classmethod
    def parse(cls, parser: Parser) -> ToolOp:
        properties: syntax.Properties = {"sym_name": parser.parse_symbol_name()}
        parser.parse_keyword("impl")
        properties["impl"] = StringAttr(parse_text(parser, "module:function after `impl`"))
        if parser.parse_optional_keyword("takes"):
            properties["takes"] = parse_parameters(parser)
        if parser.parse_optional_punctuation("->"):
            properties["output"] = parser.parse_type()
        if parser.parse_optional_keyword("effect"):
            properties["effect"] = EffectAttr(parser.parse_str_enum(Effect))
        if parser.parse_optional_keyword("latency"):
            properties["latency"] = parse_float(parser)
        if (most := syntax.parse_optional_count(parser, "concurrency")) is not None:
            properties["concurrency"] = most
        if parser.parse_optional_keyword("timeout"):
            properties["timeout"] = parse_float(parser)
        if parser.parse_optional_keyword("about"):
            properties["about"] = StringAttr(parse_text(parser, "text after `about`"))
        if parser.parse_optional_keyword("accepts"):
            properties["accepts"] = AcceptsAttr.new(AcceptsAttr.parse_parameters(parser))
        if parser.parse_optional_keyword("as"):
            properties["primitive"] = PrimitiveAttr.new(PrimitiveAttr.parse_words(parser))
        return cls.create(properties=properties, attributes=syntax.parse_attributes(parser))

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.sym_name.data)
        printer.print_string(" impl ")
        print_text(printer, self.impl.data)
        if self.takes is not None:
            printer.print_string(" takes ")
            print_parameters(printer, self.takes.data)
        if self.output != text:
            printer.print_string(" -> ")
            printer.print_attribute(self.output)
        if self.effect.data is not Effect.WRITES:
            printer.print_string(f" effect {self.effect.data}")
        if self.latency.data:
            printer.print_string(f" latency {float_text(self.latency.data)}")
        if self.concurrency is not None:
            printer.print_string(f" concurrency {self.concurrency.data}")
        if self.timeout is not None:
            printer.print_string(f" timeout {float_text(self.timeout.data)}")
        if self.about is not None:
            printer.print_string(" about ")
            print_text(printer, self.about.data)
        if self.accepts is not None:
            printer.print_string(" accepts ")
            self.accepts.print_parameters(printer)
        if self.primitive is not None:
            printer.print_string(" as ")
            self.primitive.print_words(printer)
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
        verify_workflow(self)


@irdl_op_definition
class ReturnOp(IRDLOperation):
    """Gives the result of a workflow; `optional` means what it means for an operand of a call.

    flow.return optional %formatted : !flow.text
    """

    name = "flow.return"

    value = operand_def()
    optional = opt_prop_def(UnitAttr)
    assembly_format = "(`optional` $optional^)? $value attr-dict `:` type($value)"

    traits = traits_def(IsTerminator(), Pure(), HasParent(WorkflowOp))

    def __init__(self, value: SSAValue) -> None:
        super().__init__(operands=[value])
