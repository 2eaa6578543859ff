"""Pareto fronts: the points exploration kept, with their estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    BoolAttr,
    DictionaryAttr,
    FloatData,
    IntAttr,
    StringAttr,
)
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from flowir.dialects.literals import (
    float_text,
    literal,
    parse_float,
    parse_literal,
    parse_text,
    print_literal,
    print_text,
    verify_finite,
    verify_names,
)


@irdl_attr_definition
class EstimateAttr(ParametrizedAttribute):
    """A posterior mean with its equal-tailed credible interval: `0.888 [0.84, 0.93]`."""

    name = "dse.estimate"

    mean: FloatData = param_def()
    low: FloatData = param_def()
    high: FloatData = param_def()

    @staticmethod
    def of(mean: float, low: float, high: float) -> EstimateAttr:
        """The attribute for Python floats."""
        return EstimateAttr(FloatData(mean), FloatData(low), FloatData(high))

    @classmethod
    def parse_bare(cls, parser: AttrParser) -> EstimateAttr:
        """Without the angle brackets."""
        mean = parse_float(parser)
        with parser.in_square_brackets():
            low = parse_float(parser)
            parser.parse_punctuation(",")
            high = parse_float(parser)
        return EstimateAttr(mean, low, high)

    def print_bare(self, printer: Printer) -> None:
        """Without the angle brackets."""
        mean, low, high = (float_text(x.data) for x in (self.mean, self.low, self.high))
        printer.print_string(f"{mean} [{low}, {high}]")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            return list(cls.parse_bare(parser).parameters)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            self.print_bare(printer)

    def verify(self) -> None:
        verify_finite("dse.estimate", self.parameters)
        if not self.low.data <= self.high.data:
            raise VerifyException(
                f"dse.estimate: the interval [{self.low.data}, {self.high.data}] is upside down"
            )


@irdl_attr_definition
class PointAttr(ParametrizedAttribute):
    """One point of a front: what it is expected to do, and the worst any run of it can do.

    `estimates` maps objective -> `#dse.estimate`; `worst` maps quantity -> number. A point that is
    today's configuration says `baseline`.
    """

    name = "dse.point"

    index: IntAttr = param_def()
    estimates: DictionaryAttr = param_def()
    p_non_dominated: FloatData = param_def()
    worst: DictionaryAttr = param_def()
    baseline: BoolAttr = param_def()

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        estimates: dict[str, Attribute] = {}
        worst: dict[str, Attribute] = {}
        share = FloatData(1.0)
        baseline = False

        def bound() -> None:
            name = parser.parse_identifier(": a bounded quantity")
            parser.parse_punctuation("=")
            worst[name] = parse_literal(parser)

        with parser.in_angle_brackets():
            index = IntAttr(parser.parse_integer())
            while parser.parse_optional_punctuation(","):
                name = parser.parse_identifier(": an objective, `worst` or `baseline`")
                if name == "baseline":
                    baseline = True
                    continue
                parser.parse_punctuation("=")
                if name == "worst":
                    parser.parse_comma_separated_list(AttrParser.Delimiter.BRACES, bound)
                elif name == "p_non_dominated":
                    share = parse_float(parser)
                else:
                    estimates[name] = EstimateAttr.parse_bare(parser)
        return [
            index,
            DictionaryAttr(estimates),
            share,
            DictionaryAttr(worst),
            BoolAttr.from_bool(baseline),
        ]

    def print_parameters(self, printer: Printer) -> None:
        def bound(pair: tuple[str, Attribute]) -> None:
            printer.print_string(f"{pair[0]} = ")
            print_literal(printer, pair[1])

        with printer.in_angle_brackets():
            printer.print_string(str(self.index.data))
            for name, estimate in self.estimates.data.items():
                assert isinstance(estimate, EstimateAttr)
                printer.print_string(f", {name} = ")
                estimate.print_bare(printer)
            printer.print_string(f", p_non_dominated = {float_text(self.p_non_dominated.data)}")
            if self.worst.data:
                printer.print_string(", worst = ")
                with printer.in_braces():
                    printer.print_list(self.worst.data.items(), bound)
            if self.baseline.value.data:
                printer.print_string(", baseline")

    def verify(self) -> None:
        if not 0.0 <= self.p_non_dominated.data <= 1.0:
            raise VerifyException(
                f"dse.point {self.index.data}: p_non_dominated = {self.p_non_dominated.data} "
                "is no probability; it must lie in [0, 1]"
            )
        where = f"dse.point {self.index.data}"
        verify_names(where, (*self.estimates.data, *self.worst.data))
        verify_finite(where, self.worst.data.values())


@irdl_attr_definition
class WorstAttr(ParametrizedAttribute):
    """The worst any run of a workflow can do: `<calls = 11, seconds = 90.0>`."""

    name = "dse.worst"

    bounds: DictionaryAttr = param_def()

    @staticmethod
    def of(bounds: Mapping[str, int | float]) -> WorstAttr:
        """The attribute for Python numbers."""
        return WorstAttr(DictionaryAttr({name: literal(value) for name, value in bounds.items()}))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        bounds: dict[str, Attribute] = {}

        def bound() -> None:
            name = parser.parse_identifier(": a bounded quantity")
            parser.parse_punctuation("=")
            bounds[name] = parse_literal(parser)

        parser.parse_comma_separated_list(AttrParser.Delimiter.ANGLE, bound)
        return [DictionaryAttr(bounds)]

    def print_parameters(self, printer: Printer) -> None:
        def bound(pair: tuple[str, Attribute]) -> None:
            printer.print_string(f"{pair[0]} = ")
            print_literal(printer, pair[1])

        with printer.in_angle_brackets():
            printer.print_list(self.bounds.data.items(), bound)

    def verify(self) -> None:
        verify_names("dse.worst", self.bounds.data)
        verify_finite("dse.worst", self.bounds.data.values())


@irdl_attr_definition
class FrontAttr(ParametrizedAttribute):
    """The points exploration kept, with the hash of the workflow they belong to.

    `facts` says how the front came about (objectives, execution, method, seed …).
    """

    name = "dse.front"

    workflow_hash: StringAttr = param_def()
    facts: DictionaryAttr = param_def()
    points: ArrayAttr[PointAttr] = param_def()

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        facts: dict[str, Attribute] = {}
        points: list[Attribute] = []

        def fact() -> None:
            name = parser.parse_identifier(": a fact about the front")
            parser.parse_punctuation("=")
            facts[name] = parse_literal(parser)

        with parser.in_angle_brackets():
            workflow_hash = StringAttr(parse_text(parser, "hash of the workflow"))
            parser.parse_punctuation(",")
            parser.parse_comma_separated_list(AttrParser.Delimiter.BRACES, fact)
            parser.parse_punctuation(",")
            points = parser.parse_comma_separated_list(
                AttrParser.Delimiter.SQUARE, parser.parse_attribute
            )
        return [workflow_hash, DictionaryAttr(facts), ArrayAttr(points)]

    def print_parameters(self, printer: Printer) -> None:
        def fact(pair: tuple[str, Attribute]) -> None:
            printer.print_string(f"{pair[0]} = ")
            print_literal(printer, pair[1])

        with printer.in_angle_brackets():
            print_text(printer, self.workflow_hash.data)
            printer.print_string(", ")
            with printer.in_braces():
                printer.print_list(self.facts.data.items(), fact)
            printer.print_string(", [")
            with printer.indented():
                for number, point in enumerate(self.points):
                    printer.print_string(",\n" if number else "\n")
                    printer.print_attribute(point)
            printer.print_string("\n]")

    def verify(self) -> None:
        verify_names("dse.front", self.facts.data)
        verify_finite("dse.front", self.facts.data.values())
        for number, point in enumerate(self.points):
            if point.index.data != number:
                raise VerifyException(
                    f"dse.front: point {point.index.data} stands at place {number}; "
                    "points are numbered from 0 in order"
                )


@irdl_attr_definition
class UnusedAttr(ParametrizedAttribute):
    """What stands in place of a configuration or choice that a point does not reach."""

    name = "dse.unused"
