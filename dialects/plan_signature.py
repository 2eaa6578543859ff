"""Typed signatures of tools that a plan may call, in IR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from flowir.dialects.literals import parse_text, print_text
from flowir.plan.signatures import KINDS, Kind, Parameter, Signature


@irdl_attr_definition
class ParameterAttr(ParametrizedAttribute):
    """A parameter of a tool: `#plan.parameter<"query", "text", required>`."""

    name = "plan.parameter"

    parameter: StringAttr = param_def()
    kind: StringAttr = param_def()
    presence: StringAttr = param_def()

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            name = StringAttr(parse_text(parser, "name of the parameter"))
            parser.parse_punctuation(",")
            kind = StringAttr(parse_text(parser, "kind of the parameter"))
            parser.parse_punctuation(",")
            presence = StringAttr(parser.parse_identifier("`required` or `optional`"))
        return [name, kind, presence]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_text(printer, self.parameter.data)
            printer.print_string(", ")
            print_text(printer, self.kind.data)
            printer.print_string(f", {self.presence.data}")

    def verify(self) -> None:
        if self.kind.data not in KINDS:
            raise VerifyException(
                f"plan.parameter: no kind {self.kind.data!r}; there are {', '.join(KINDS)}"
            )
        if self.presence.data not in ("required", "optional"):
            raise VerifyException(
                f"plan.parameter: {self.presence.data!r}; write `required` or `optional`"
            )


def parameters_of(signature: Signature) -> ArrayAttr[ParameterAttr]:
    """The parameters of a signature."""
    return ArrayAttr(
        ParameterAttr(
            StringAttr(p.name),
            StringAttr(p.kind),
            StringAttr("required" if p.required else "optional"),
        )
        for p in signature.parameters
    )


def signature_from(
    name: str, parameters: Iterable[ParameterAttr], about: str, pure: bool
) -> Signature:
    """The signature of a tool with these parameters."""
    found = []
    for one in parameters:
        kind: Kind = one.kind.data
        found.append(Parameter(one.parameter.data, kind, one.presence.data == "required"))
    return Signature(name, tuple(found), about, pure)


def named_twice(parameters: Iterable[ParameterAttr]) -> bool:
    """Whether two of the parameters have one name."""
    names = [one.parameter.data for one in parameters]
    return len(set(names)) < len(names)


def parse_parameters(parser: AttrParser) -> ArrayAttr[ParameterAttr]:
    """`(query: text, limit?: integer)`"""

    def parameter() -> ParameterAttr:
        name = StringAttr(parser.parse_identifier("name of a parameter"))
        optional = parser.parse_optional_punctuation("?") is not None
        parser.parse_punctuation(":")
        kind = StringAttr(parser.parse_identifier(f"one of {', '.join(KINDS)}"))
        return ParameterAttr(name, kind, StringAttr("optional" if optional else "required"))

    return ArrayAttr(parser.parse_comma_separated_list(parser.Delimiter.PAREN, parameter))


def print_parameters(printer: Printer, parameters: Sequence[ParameterAttr]) -> None:
    """The inverse of `parse_parameters`."""
    signature = signature_from("", parameters, "", False)
    with printer.in_parens():
        printer.print_list(signature.parameters, lambda p: printer.print_string(str(p)))
