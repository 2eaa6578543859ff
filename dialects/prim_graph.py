"""`prim.graph`: what one query runs, as primitives with nothing but data between them."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects.builtin import FunctionType, StringAttr, SymbolNameConstraint
from xdsl.dialects.utils import parse_func_op_like, print_func_op_like
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
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

from flowir.dialects.prim_checks import verify_graph
from flowir.dialects.prim_ops import PrimitiveOp


@irdl_op_definition
class GraphOp(IRDLOperation):
    """A workflow as primitives: one block, in an order in which values come before their uses.

    Whatever has no path of values between it may run at the same time.
    """

    name = "prim.graph"

    sym_name = prop_def(SymbolNameConstraint())
    function_type = prop_def(FunctionType)
    body = region_def("single_block")

    traits = traits_def(SymbolOpInterface(), IsolatedFromAbove(), RecursiveMemoryEffect())

    @property
    def primitives(self) -> Iterator[PrimitiveOp]:
        """In the order written."""
        return (op for op in self.body.block.ops if isinstance(op, PrimitiveOp))

    @property
    def result(self) -> SSAValue:
        """What the graph gives."""
        last = self.body.block.last_op
        assert isinstance(last, ReturnOp)
        return last.value

    @classmethod
    def parse(cls, parser: Parser) -> GraphOp:
        name, inputs, outputs, region, attributes, _, _ = parse_func_op_like(
            parser, reserved_attr_names=("sym_name", "function_type")
        )
        return cls.create(
            properties={
                "sym_name": StringAttr(name),
                "function_type": FunctionType.from_lists(inputs, outputs),
            },
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
        verify_graph(self)


@irdl_op_definition
class ReturnOp(IRDLOperation):
    """Gives the result of a graph."""

    name = "prim.return"

    value = operand_def()
    assembly_format = "$value attr-dict `:` type($value)"

    traits = traits_def(IsTerminator(), Pure(), HasParent(GraphOp))

    def __init__(self, value: SSAValue) -> None:
        super().__init__(operands=[value])
