"""`flow.plan`: a DAG of tool calls that a model writes, run as it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import fsum, isfinite

from xdsl.dialects.builtin import ArrayAttr, FloatData, IntAttr, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, ParametrizedAttribute, Region
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    opt_prop_def,
    param_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer
from xdsl.traits import HasAncestor, RecursiveMemoryEffect
from xdsl.utils.exceptions import VerifyException

from flowir.dialects import flow_syntax as syntax
from flowir.dialects.flow_checks import Symbols, fail
from flowir.dialects.flow_declarations import ToolOp, WorkflowOp
from flowir.dialects.flow_traits import InvocationEffect
from flowir.dialects.flow_types import text
from flowir.dialects.literals import float_text, parse_fields, parse_float
from flowir.plan.checks import JOIN

_NAME = re.compile(r"[A-Za-z_][\w.\-]*", re.ASCII)

MOST_TASKS = 1000
"""Tasks of one plan where the op does not say."""


@irdl_attr_definition
class CountsAttr(ParametrizedAttribute):
    """How large something is, and how often: `3`, or `{2: 0.25, 3: 0.75}`."""

    name = "flow.counts"

    counts: ArrayAttr[IntAttr] = param_def()
    chances: ArrayAttr[FloatData] = param_def()

    @staticmethod
    def of(chances: Mapping[int, float]) -> CountsAttr:
        """The attribute for a distribution; counts in ascending order."""
        ordered = sorted(chances.items())
        return CountsAttr(
            ArrayAttr(IntAttr(count) for count, _ in ordered),
            ArrayAttr(FloatData(chance) for _, chance in ordered),
        )

    @property
    def distribution(self) -> tuple[tuple[int, float], ...]:
        """(count, chance) pairs, in order."""
        pairs = zip(self.counts, self.chances, strict=True)
        return tuple((count.data, chance.data) for count, chance in pairs)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        counts: list[IntAttr] = []
        chances: list[FloatData] = []

        def pair() -> None:
            counts.append(IntAttr(parser.parse_integer(allow_boolean=False)))
            parser.parse_punctuation(":")
            chances.append(parse_float(parser))

        if (sure := parser.parse_optional_integer(allow_boolean=False)) is not None:
            return [ArrayAttr([IntAttr(sure)]), ArrayAttr([FloatData(1.0)])]
        parser.parse_comma_separated_list(parser.Delimiter.BRACES, pair)
        return [ArrayAttr(counts), ArrayAttr(chances)]

    def print_parameters(self, printer: Printer) -> None:
        found = self.distribution
        if len(found) == 1 and found[0][1] == 1.0:
            printer.print_string(str(found[0][0]))
            return
        shown = ", ".join(f"{count}: {float_text(chance)}" for count, chance in found)
        printer.print_string(f"{{{shown}}}")

    def verify(self) -> None:
        counts = [count.data for count in self.counts]
        if len(counts) != len(self.chances) or not counts:
            raise VerifyException("flow.counts: give a chance for every count, and one at least")
        if counts != sorted(set(counts)) or counts[0] < 1:
            raise VerifyException(
                f"flow.counts: {', '.join(map(str, counts))}; write counts from 1 on, ascending, "
                "each once"
            )
        chances = [chance.data for chance in self.chances]
        if any(not 0.0 <= chance <= 1.0 for chance in chances):
            raise VerifyException("flow.counts: every chance must lie in [0, 1]")
        if abs(fsum(chances) - 1.0) > 1e-6:
            raise VerifyException(f"flow.counts: the chances sum to {fsum(chances):g}, not to 1")


@irdl_attr_definition
class PlanShapeAttr(ParametrizedAttribute):
    """What plans are expected to look like, for predictions.

    `<width = {2: 0.5, 3: 0.5}, depth = 2, right = 0.95, replan = <right = 0.05, wrong = 0.6>>`.

    `depth` is how many levels of tasks a plan has, `width` how many tasks stand on each of them: a
    level waits for the one before. `right` is the chance that a task of a right plan gives what was
    wanted of it. `replan` is the chance that the joiner asks for another plan, where it may, when
    what it saw is right and when it is wrong; one number says it for both.
    """

    name = "flow.plan_shape"

    width: CountsAttr = param_def()
    depth: CountsAttr = param_def()
    right: FloatData = param_def()
    replan_right: FloatData = param_def()
    replan_wrong: FloatData = param_def()

    @staticmethod
    def of(
        width: Mapping[int, float],
        depth: Mapping[int, float],
        right: float = 1.0,
        replan: tuple[float, float] = (0.0, 0.0),
    ) -> PlanShapeAttr:
        """The attribute for distributions and chances; see the class."""
        rates = (FloatData(rate) for rate in (right, *replan))
        return PlanShapeAttr(CountsAttr.of(width), CountsAttr.of(depth), *rates)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        def counts() -> CountsAttr:
            return CountsAttr.new(CountsAttr.parse_parameters(parser))

        def number() -> FloatData:
            return parse_float(parser)

        def replan() -> ArrayAttr[FloatData]:
            if parser.parse_optional_punctuation("<") is None:
                return _twice(number())
            start = parser.pos
            found = parse_fields(parser, {"right": number, "wrong": number})
            parser.parse_punctuation(">")
            rates = [
                rate
                for name in ("right", "wrong")
                if isinstance(rate := found.get(name), FloatData)
            ]
            if len(rates) != 2:
                parser.raise_error("replan: give both `right` and `wrong`, or one number", start)
            return ArrayAttr(rates)

        with parser.in_angle_brackets():
            fields = parse_fields(
                parser, {"width": counts, "depth": counts, "right": number, "replan": replan}
            )
        rates = fields.get("replan", _twice(FloatData(0.0)))
        assert isinstance(rates, ArrayAttr)
        one = CountsAttr.of({1: 1.0})
        return [
            fields.get("width", one),
            fields.get("depth", one),
            fields.get("right", FloatData(1.0)),
            *rates,
        ]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string("width = ")
            self.width.print_parameters(printer)
            printer.print_string(", depth = ")
            self.depth.print_parameters(printer)
            if self.right.data != 1.0:
                printer.print_string(f", right = {float_text(self.right.data)}")
            rates = [float_text(rate.data) for rate in (self.replan_right, self.replan_wrong)]
            if rates[0] != rates[1]:
                printer.print_string(f", replan = <right = {rates[0]}, wrong = {rates[1]}>")
            elif self.replan_right.data:
                printer.print_string(f", replan = {rates[0]}")

    def verify(self) -> None:
        for name in ("right", "replan_right", "replan_wrong"):
            value = getattr(self, name).data
            if not (isfinite(value) and 0.0 <= value <= 1.0):
                raise VerifyException(
                    f"flow.plan_shape: {name.replace('_', ' ')} = {value} is no probability; "
                    "it must lie in [0, 1]"
                )


def _twice(rate: FloatData) -> ArrayAttr[FloatData]:
    return ArrayAttr([rate, rate])


@irdl_op_definition
class PlanOp(IRDLOperation):
    """A planner writes calls of tools, each is made as soon as it can be, and a joiner answers.

    The planner's region gives the text of a plan (`flowir.plan.reader`); it is given the signatures
    of the tools, and every earlier plan with its observations. Where it is one call, the plan is
    run while it is being written. The joiner's region gives `Finish(…)` or `Replan(…)`; it is given
    all plans so far with their observations. After `max_replans` more plans than the first, a
    joiner that wants another ends the run. A tool that fails is an observation, not a failure.

        %answer = flow.plan tools [@search, @ratio] max_replans 2 -> !flow.text
          expects <width = {2: 0.5, 3: 0.5}, depth = 2, replan = 0.1>
          planner(%tools, %history) {
            %plan = flow.call @planner(%question, %tools, %history)
                : (!flow.text, !flow.text, !flow.text) -> !flow.text
            flow.yield %plan : !flow.text
          }
          joiner(%history) {
            %said = flow.call @joiner(%question, %history) : (!flow.text, !flow.text) -> !flow.text
            flow.yield %said : !flow.text
          }

    Because both are regions, planner and joiner are calls like any other: with their own decision,
    site, group and space, and passes may vary them.
    """

    name = "flow.plan"

    tools = prop_def(ArrayAttr[SymbolRefAttr])
    max_replans = prop_def(IntAttr, default_value=IntAttr(0))
    max_tasks = prop_def(IntAttr, default_value=IntAttr(MOST_TASKS))
    expects = opt_prop_def(PlanShapeAttr)
    output = result_def()
    site = opt_prop_def(StringAttr)
    planner = region_def("single_block")
    joiner = region_def("single_block")

    traits = traits_def(HasAncestor(WorkflowOp), RecursiveMemoryEffect(), InvocationEffect())

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The tools, in order."""
        return tuple(tool.root_reference.data for tool in self.tools)

    @classmethod
    def parse(cls, parser: Parser) -> PlanOp:
        parser.parse_keyword("tools")
        tools = parser.parse_comma_separated_list(
            parser.Delimiter.SQUARE, lambda: syntax.parse_symbol(parser)
        )
        properties: syntax.Properties = {"tools": ArrayAttr(tools)}
        for word in ("max_replans", "max_tasks"):
            if (count := syntax.parse_optional_count(parser, word)) is not None:
                properties[word] = count
        syntax.parse_clauses(parser, properties, "site")
        parser.parse_punctuation("->")
        result = parser.parse_type()
        attributes = syntax.parse_attributes(parser)
        if parser.parse_optional_keyword("expects"):
            shape = PlanShapeAttr.parse_parameters(parser)
            properties["expects"] = PlanShapeAttr.new(shape)
        regions = [_parse_region(parser, "planner", 2), _parse_region(parser, "joiner", 1)]
        return cls.build(
            result_types=[result], properties=properties, attributes=attributes, regions=regions
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(" tools ")
        with printer.in_square_brackets():
            printer.print_list(self.tools, lambda tool: syntax.print_symbol(printer, tool))
        if self.max_replans.data:
            printer.print_string(f" max_replans {self.max_replans.data}")
        if self.max_tasks.data != MOST_TASKS:
            printer.print_string(f" max_tasks {self.max_tasks.data}")
        syntax.print_clauses(printer, self)
        printer.print_string(" -> ")
        printer.print_attribute(self.output.type)
        printer.print_op_attributes(self.attributes, print_keyword=True)
        with printer.indented():
            if self.expects is not None:
                printer.print_string("\nexpects ")
                self.expects.print_parameters(printer)
            for word, region in (("planner", self.planner), ("joiner", self.joiner)):
                printer.print_string(f"\n{word}")
                syntax.print_operands(printer, region.block.args)
                printer.print_string(" ")
                syntax.print_region(printer, region)

    def verify_(self) -> None:
        names = self.tool_names
        if not names:
            raise fail(self, "no tools, so there is nothing to plan; name one, as tools [@search]")
        if len(set(names)) < len(names):
            raise fail(self, "a tool is named twice; name each once")
        if self.max_replans.data < 0:
            raise fail(self, f"max_replans {self.max_replans.data}; write 0 or more")
        if self.max_tasks.data < 1:
            raise fail(self, f"max_tasks {self.max_tasks.data}; write 1 or more")
        if self.output.type != text:
            raise fail(self, f"a joiner finishes with text, not {self.output.type}")
        _verify_region(self, self.planner, "planner", ("tools", "history"))
        _verify_region(self, self.joiner, "joiner", ("history",))


def _parse_region(parser: Parser, word: str, arguments: int) -> Region:
    """`word(%a, %b) { … }`"""
    start = parser.pos
    parser.parse_keyword(word)
    given = parser.parse_comma_separated_list(
        parser.Delimiter.PAREN, lambda: parser.parse_argument(expect_type=False)
    )
    if len(given) != arguments:
        wanted = "(%tools, %history)" if arguments == 2 else "(%history)"
        parser.raise_error(f"flow.plan: write {word}{wanted}", start)
    return parser.parse_region([argument.resolve(text) for argument in given])


def _verify_region(op: PlanOp, region: Region, name: str, takes: Sequence[str]) -> None:
    """It takes texts and gives one."""
    if [argument.type for argument in region.block.args] != [text] * len(takes):
        raise fail(op, f"the {name} takes ({', '.join(takes)}), each a {text}")
    last = region.block.last_op
    if last is None or last.name != "flow.yield":
        raise fail(op, f"the {name} does not end in flow.yield; give what it writes")
    if (found := last.operands[0].type) != text:
        raise fail(op, f"the {name} yields {found}, but what it writes is {text}")


def verify_plan_tools(op: Operation, symbols: Symbols) -> None:
    """The tools of a plan are declared, and say what they take."""
    if not isinstance(op, PlanOp):
        return
    for name in op.tool_names:
        tool = symbols.get(name)
        if tool is None:
            known = ", ".join(f"@{n}" for n, found in symbols.items() if isinstance(found, ToolOp))
            raise fail(op, f"unknown symbol @{name}; declared here: {known or 'none'}")
        if not isinstance(tool, ToolOp):
            raise fail(op, f"@{name} is a {tool.name}; a plan calls tools, so name a flow.tool")
        if tool.takes is None:
            raise fail(
                op,
                f"@{name} does not say what it takes, so plans that call it cannot be checked; "
                "add `takes (query: text)` to its flow.tool",
            )
        if name == JOIN:
            raise fail(op, f"a plan ends in {JOIN}(), so no tool can have that name; rename it")
        if _NAME.fullmatch(name) is None:
            raise fail(
                op, f'no plan can call a tool named "{name}"; use letters of ASCII, digits and _'
            )


def planned_tools(op: PlanOp, symbols: Symbols) -> Iterable[ToolOp]:
    """The declarations of the tools of a verified plan, in order."""
    for name in op.tool_names:
        tool = symbols[name]
        assert isinstance(tool, ToolOp)
        yield tool
