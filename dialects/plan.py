"""The `plan` dialect: what a planner wrote, as a graph of tool calls.

    plan.tool @search(query: text) pure latency 0.8 "finds a page"
    plan.plan @rounds {
      %t1 = plan.task 1 @search {query = "\\"Everest\\""}
      plan.replan "the height is not there"
      %t2 = plan.task 2 @search(%t1) {query = "\\"how high is ${1}\\""}
      plan.join
    }

Arguments are written as in a plan's text (`flowir.plan.arguments`); the operands of a task are the
tasks its arguments refer to. A plan is closed by one join, which waits for every task; what stands
behind a `plan.replan` was planned when everything before it had been seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FloatData,
    IntAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    UnitAttr,
)
from xdsl.ir import (
    Attribute,
    Dialect,
    OpResult,
    ParametrizedAttribute,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    lazy_traits_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import (
    HasParent,
    IsolatedFromAbove,
    IsTerminator,
    SymbolOpInterface,
    SymbolTable,
)
from xdsl.utils.exceptions import VerifyException

from flowir.dialects.flow_syntax import parse_attributes
from flowir.dialects.literals import (
    float_text,
    parse_float,
    parse_optional_text,
    parse_text,
    print_text,
)
from flowir.dialects.plan_signature import (
    ParameterAttr,
    named_twice,
    parameters_of,
    parse_parameters,
    print_parameters,
    signature_from,
)
from flowir.plan.arguments import NotRead, read_value
from flowir.plan.events import Task
from flowir.plan.signatures import Signature, bind
from flowir.plan.values import Value, written


@irdl_attr_definition
class ValueType(ParametrizedAttribute, TypeAttribute):
    """What a tool gives: text, a number, or any JSON."""

    name = "plan.value"


@irdl_op_definition
class ToolOp(IRDLOperation):
    """Declares a tool: what it takes, how long a call takes in seconds, and what it is for.

    Two identical calls of a `pure` tool may be answered by one.
    """

    name = "plan.tool"

    sym_name = prop_def(SymbolNameConstraint())
    parameters = prop_def(ArrayAttr[ParameterAttr], default_value=ArrayAttr[ParameterAttr]([]))
    pure = opt_prop_def(UnitAttr)
    latency = prop_def(FloatData, default_value=FloatData(0.0))
    about = prop_def(StringAttr, default_value=StringAttr(""))

    traits = traits_def(SymbolOpInterface())

    @property
    def signature(self) -> Signature:
        """What a call is held against."""
        pure = self.pure is not None
        return signature_from(self.sym_name.data, self.parameters, self.about.data, pure)

    @staticmethod
    def of(signature: Signature, latency_s: float = 0.0) -> ToolOp:
        """The declaration of a signature."""
        properties: dict[str, Attribute] = {
            "sym_name": StringAttr(signature.name),
            "parameters": parameters_of(signature),
            "latency": FloatData(latency_s),
            "about": StringAttr(signature.about),
        }
        if signature.pure:
            properties["pure"] = UnitAttr()
        return ToolOp.create(properties=properties)

    @classmethod
    def parse(cls, parser: Parser) -> ToolOp:
        properties: dict[str, Attribute] = {"sym_name": parser.parse_symbol_name()}
        properties["parameters"] = parse_parameters(parser)
        if parser.parse_optional_keyword("pure"):
            properties["pure"] = UnitAttr()
        if parser.parse_optional_keyword("latency"):
            properties["latency"] = parse_float(parser)
        if (about := parse_optional_text(parser)) is not None:
            properties["about"] = StringAttr(about)
        return cls.create(properties=properties, attributes=parse_attributes(parser))

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.sym_name.data)
        print_parameters(printer, self.parameters.data)
        if self.pure is not None:
            printer.print_string(" pure")
        if self.latency.data:
            printer.print_string(f" latency {float_text(self.latency.data)}")
        if self.about.data:
            printer.print_string(" ")
            print_text(printer, self.about.data)
        printer.print_op_attributes(self.attributes, print_keyword=True)

    def verify_(self) -> None:
        if named_twice(self.parameters):
            raise VerifyException(f"plan.tool @{self.sym_name.data}: a parameter is named twice")
        if not 0 <= self.latency.data < float("inf"):
            raise VerifyException(
                f"plan.tool @{self.sym_name.data}: latency {self.latency.data}; "
                "write seconds, 0 or more"
            )


@irdl_op_definition
class TaskOp(IRDLOperation):
    """One call of a tool; `after` follows from its arguments and is held against them."""

    name = "plan.task"

    number = prop_def(IntAttr)
    tool = prop_def(SymbolRefAttr)
    arguments = prop_def(DictionaryAttr, default_value=DictionaryAttr({}))
    needs = var_operand_def(ValueType)
    output = result_def(ValueType)

    traits = lazy_traits_def(lambda: (HasParent(PlanOp),))

    @property
    def task(self) -> Task:
        """As an executor runs it.

        Raises:
            VerifyException: an argument is none.
        """
        tool = _declared(self)
        given = [(name, self._value(name)) for name in self.arguments.data]
        bound, problems = bind(tool.signature, (), given)
        if problems:
            raise VerifyException(f"{self._where}: {tool.sym_name.data} {problems[0]}")
        return Task(self.number.data, tool.sym_name.data, bound, 0)

    @property
    def _where(self) -> str:
        return f"plan.task {self.number.data}"

    def _value(self, name: str) -> Value:
        found = self.arguments.data[name]
        if not isinstance(found, StringAttr):
            raise VerifyException(f"{self._where}: argument {name} is no string: {found}")
        value = read_value(found.data)
        if isinstance(value, NotRead):
            raise VerifyException(
                f"{self._where}: argument {name} is no value of a plan: {found.data!r}; "
                r'text is written with its quotes, as "\"text\""'
            )
        return value

    @staticmethod
    def of(task: Task, made: dict[int, SSAValue]) -> TaskOp:
        """The op of a task, whose needs have been made."""
        op = TaskOp.create(
            operands=[made[number] for number in task.needs],
            result_types=[ValueType()],
            properties={
                "number": IntAttr(task.number),
                "tool": SymbolRefAttr(task.tool),
                "arguments": DictionaryAttr(
                    {name: StringAttr(written(value)) for name, value in task.arguments}
                ),
            },
        )
        op.output.name_hint = f"t{task.number}"
        return op

    @classmethod
    def parse(cls, parser: Parser) -> TaskOp:
        number = IntAttr(parser.parse_integer(allow_boolean=False, allow_negative=False))
        tool = SymbolRefAttr(parser.parse_symbol_name())
        unresolved = parser.parse_optional_comma_separated_list(
            parser.Delimiter.PAREN, parser.parse_unresolved_operand
        )
        needs = [parser.resolve_operand(one, ValueType()) for one in unresolved or ()]

        def argument() -> tuple[str, Attribute]:
            name = parser.parse_identifier("name of a parameter")
            parser.parse_punctuation("=")
            return name, StringAttr(parse_text(parser, "a value as plans write it"))

        listed = parser.parse_optional_comma_separated_list(parser.Delimiter.BRACES, argument)
        arguments = dict(listed or ())
        return cls.create(
            operands=needs,
            result_types=[ValueType()],
            properties={"number": number, "tool": tool, "arguments": DictionaryAttr(arguments)},
            attributes=parse_attributes(parser),
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.number.data} ")
        printer.print_symbol_name(self.tool.root_reference.data)
        if self.needs:
            with printer.in_parens():
                printer.print_list(self.needs, printer.print_ssa_value)
        if self.arguments.data:
            printer.print_string(" {")
            printer.print_list(self.arguments.data.items(), lambda pair: _argument(printer, *pair))
            printer.print_string("}")
        printer.print_op_attributes(self.attributes, print_keyword=True)

    def verify_(self) -> None:
        wanted = self.task.needs
        found = []
        for value in self.needs:
            if not isinstance(value, OpResult) or not isinstance(value.op, TaskOp):
                raise VerifyException(f"{self._where}: an operand is no task's result")
            found.append(value.op.number.data)
        if tuple(found) != wanted:
            raise VerifyException(
                f"{self._where}: its arguments refer to tasks {_numbers(wanted)}, "
                f"its operands are tasks {_numbers(found)}"
            )


@irdl_op_definition
class ReplanOp(IRDLOperation):
    """The joiner asked for more: what follows was planned with all of what precedes in sight."""

    name = "plan.replan"

    reason = prop_def(StringAttr, default_value=StringAttr(""))

    traits = lazy_traits_def(lambda: (HasParent(PlanOp),))

    @classmethod
    def parse(cls, parser: Parser) -> ReplanOp:
        reason = parse_optional_text(parser) or ""
        return cls.create(
            properties={"reason": StringAttr(reason)}, attributes=parse_attributes(parser)
        )

    def print(self, printer: Printer) -> None:
        if self.reason.data:
            printer.print_string(" ")
            print_text(printer, self.reason.data)
        printer.print_op_attributes(self.attributes, print_keyword=True)


@irdl_op_definition
class JoinOp(IRDLOperation):
    """Closes a plan: the joiner reads the results of all its tasks."""

    name = "plan.join"

    assembly_format = "attr-dict"

    traits = lazy_traits_def(lambda: (IsTerminator(), HasParent(PlanOp)))


@irdl_op_definition
class PlanOp(IRDLOperation):
    """A plan, or several with replans between them, in one numbering."""

    name = "plan.plan"

    sym_name = prop_def(SymbolNameConstraint())
    body = region_def("single_block")

    traits = traits_def(SymbolOpInterface(), IsolatedFromAbove())

    @property
    def tasks(self) -> Iterator[TaskOp]:
        """In the order written."""
        return (op for op in self.body.block.ops if isinstance(op, TaskOp))

    @classmethod
    def parse(cls, parser: Parser) -> PlanOp:
        name = parser.parse_symbol_name()
        body = parser.parse_region()
        return cls.create(
            properties={"sym_name": name}, regions=[body], attributes=parse_attributes(parser)
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.sym_name.data)
        printer.print_string(" ")
        printer.print_region(self.body)
        printer.print_op_attributes(self.attributes, print_keyword=True)

    def verify_(self) -> None:
        where = f"plan.plan @{self.sym_name.data}"
        for op in self.body.block.ops:
            if not isinstance(op, TaskOp | ReplanOp | JoinOp):
                raise VerifyException(f"{where}: {op.name} has no place in a plan")
        if not isinstance(self.body.block.last_op, JoinOp):
            raise VerifyException(f"{where}: no plan.join closes it")
        last = 0
        for task in self.tasks:
            number = task.number.data
            if number <= last:
                raise VerifyException(
                    f"{where}: task {number} comes after task {last}; number tasks upwards"
                )
            last = number


def _argument(printer: Printer, name: str, value: Attribute) -> None:
    printer.print_string(f"{name} = ")
    print_text(printer, value.data if isinstance(value, StringAttr) else str(value))


def _declared(op: TaskOp) -> ToolOp:
    found = SymbolTable.lookup_symbol(op, op.tool)
    if not isinstance(found, ToolOp):
        raise VerifyException(
            f"plan.task {op.number.data}: no plan.tool @{op.tool.root_reference.data} is declared"
        )
    return found


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) if numbers else "none"


PlanDialect = Dialect(
    "plan", [JoinOp, PlanOp, ReplanOp, TaskOp, ToolOp], [ParameterAttr, ValueType]
)
