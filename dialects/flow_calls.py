"""Calls of agents, tools and workflows, and joins of their results."""

from __future__ import annotations

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatData,
    FunctionType,
    IntAttr,
    StringAttr,
    SymbolRefAttr,
    UnitAttr,
)
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import HasAncestor

from flowir.dialects import flow_checks as checks
from flowir.dialects import flow_syntax as syntax
from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.flow_declarations import WorkflowOp
from flowir.dialects.flow_traits import Canonicalizable, InvocationEffect
from flowir.dialects.flow_types import (
    JoinMode,
    JoinModeAttr,
)
from flowir.dialects.literals import float_text, parse_float


@irdl_op_definition
class CallOp(IRDLOperation):
    """One invocation of an agent, a tool or a workflow.

    `at` is the stable site name, `as` the decision group, `space` narrows the agent's space,
    `config` is what was chosen. `optional` before an operand says that the call can do without the
    step that made it: `flow-optional` may then hand it what that step was given.

        %draft = flow.call @coder(%task) at "draft" as "strong" : (!flow.text) -> !flow.text
        %fixed = flow.call @fixer(%task, optional %draft) : (!flow.text, !flow.text) -> !flow.text
    """

    name = "flow.call"

    callee = prop_def(SymbolRefAttr)
    inputs = var_operand_def()
    output = result_def()
    site = opt_prop_def(StringAttr)
    group = opt_prop_def(StringAttr)
    space = opt_prop_def(SpaceAttr)
    config = opt_prop_def(ConfigAttr)
    optional = opt_prop_def(ArrayAttr[IntAttr])

    traits = traits_def(HasAncestor(WorkflowOp), InvocationEffect())

    @property
    def optional_inputs(self) -> frozenset[int]:
        """Indices of the operands marked `optional`."""
        return frozenset(index.data for index in self.optional or ())

    @classmethod
    def parse(cls, parser: Parser) -> CallOp:
        properties: syntax.Properties = {"callee": syntax.parse_symbol(parser)}
        start = parser.pos
        operands, optional = syntax.parse_marked_operands(parser, "optional")
        if optional:
            properties["optional"] = ArrayAttr(map(IntAttr, optional))
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
        syntax.print_marked_operands(printer, self.inputs, "optional", self.optional_inputs)
        syntax.print_clauses(printer, self)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        printer.print_string(" : ")
        with printer.in_parens():
            printer.print_list([value.type for value in self.inputs], printer.print_attribute)
        printer.print_string(" -> ")
        printer.print_attribute(self.output.type)

    def verify_(self) -> None:
        checks.verify_call(self)


@irdl_op_definition
class JoinOp(IRDLOperation):
    """Makes one value of several.

    `all`, `any` give a list, `concat` text; `vote` the plurality answer (labels by `key`, else the
    exact text; ties to the earliest); `select` what the agent `by` picks; `first` the earliest
    finisher, or with `until` the earliest that the checker accepts, else the last one judged.

        %best = flow.join select(%a, %b) by @judge(%task : !flow.text)
            : (!flow.text, !flow.text) -> !flow.text
        %kept = flow.join first(%a, %b) until @tests(%task : !flow.text) after [0.0, 2.0]
            : (!flow.text, !flow.text) -> !flow.text
        %most = flow.join vote(%a, %b, %c) quorum : (!flow.text, !flow.text, !flow.text)
            -> !flow.text

    `first`, and a vote with `quorum`, are races. What races are the *lanes*: the lane of an operand
    is the operation that makes it together with whatever else nobody but that lane reads, in the
    block as it runs, so with alternatives replaced by the region chosen and calls of workflows by
    their bodies. What two lanes read, what anything else reads too, and what writes to the world
    (and what only that reads) is in no lane: it runs as ever, and is never cancelled.

    A race begins when everything is there that its lanes and its checker read from outside them.
    Then all lanes start; with `after`, each so many seconds later, unless the race is decided by
    then. An operand without a lane of its own is there as soon as its delay is over. Once the race
    is decided, what still runs is cancelled and waited for; calls that were started are billed.

    - A vote with `quorum` is decided when the label that leads, ties going to the earlier operand,
      would win whatever the operands still missing turn out to be. So the label is the one that a
      vote over all would choose; the value is the earliest with that label that is there.
    - `first` is decided by the first operand that is there; with `until`, every one is judged as
      soon as it is there, and the first acceptance decides. If none is accepted, the operand judged
      last is the result. Of operands at the same moment, the earlier one is first.

    A failure of a lane, or of a judgement, fails the race.
    """

    name = "flow.join"

    mode = prop_def(JoinModeAttr)
    inputs = var_operand_def()
    context = var_operand_def()
    output = result_def()
    by = opt_prop_def(SymbolRefAttr)
    key = opt_prop_def(SymbolRefAttr)
    quorum = opt_prop_def(UnitAttr)
    until = opt_prop_def(SymbolRefAttr)
    after = opt_prop_def(ArrayAttr[FloatData])
    site = opt_prop_def(StringAttr)
    group = opt_prop_def(StringAttr)
    config = opt_prop_def(ConfigAttr)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(HasAncestor(WorkflowOp), InvocationEffect(), Canonicalizable())

    @property
    def races(self) -> bool:
        """Whether it may be decided before all operands are there."""
        return self.mode.data is JoinMode.FIRST or self.quorum is not None

    @property
    def delays(self) -> tuple[float, ...]:
        """Seconds after which each operand of a race starts; zeros where none are given."""
        if self.after is None:
            return (0.0,) * len(self.inputs)
        return tuple(delay.data for delay in self.after)

    @classmethod
    def parse(cls, parser: Parser) -> JoinOp:
        properties: syntax.Properties = {"mode": JoinModeAttr(parser.parse_str_enum(JoinMode))}
        start = parser.pos
        operands = syntax.parse_operands(parser)
        context: list[SSAValue] = []
        if parser.parse_optional_keyword("quorum"):
            properties["quorum"] = UnitAttr()
        for word in ("by", "until"):
            if parser.parse_optional_keyword(word):
                properties[word] = syntax.parse_symbol(parser)
                context += syntax.parse_optional_typed_operands(parser)
        if parser.parse_optional_keyword("after"):
            delays = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, lambda: parse_float(parser)
            )
            properties["after"] = ArrayAttr(delays)
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
        if self.quorum is not None:
            printer.print_string(" quorum")
        for word, symbol in (("by", self.by), ("until", self.until)):
            if symbol is not None:
                printer.print_string(f" {word} ")
                syntax.print_symbol(printer, symbol)
                syntax.print_optional_typed_operands(printer, self.context)
        if self.after is not None:
            shown = ", ".join(float_text(delay.data) for delay in self.after)
            printer.print_string(f" after [{shown}]")
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
