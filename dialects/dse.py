"""The `dse` dialect: design spaces, and what exploring them found.

Attributes only. A space says what may be chosen for an agent; a front, on a workflow, holds the
points exploration kept; `configs` on a call and `choices` on an alternatives hold, point by point,
what was chosen there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    BoolAttr,
    DictionaryAttr,
    FloatData,
    IntAttr,
    NoneAttr,
    StringAttr,
)
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from flowir.dialects.literals import (
    float_text,
    literal,
    parse_fields,
    parse_float,
    parse_literal,
    print_literal,
    print_text,
)

Budget = IntAttr | StringAttr


def _parse_list(parser: AttrParser) -> ArrayAttr[Attribute]:
    return ArrayAttr(
        parser.parse_comma_separated_list(
            AttrParser.Delimiter.SQUARE, lambda: parse_literal(parser)
        )
    )


def _print_list(printer: Printer, values: ArrayAttr[Attribute]) -> None:
    with printer.in_square_brackets():
        printer.print_list(values, lambda value: print_literal(printer, value))


def _parse_params(parser: AttrParser) -> DictionaryAttr:
    """`{temperature = [0.0, 0.7], top_p = [1.0]}`"""
    params: dict[str, Attribute] = {}

    def entry() -> None:
        name = parser.parse_identifier(": name of a sampling parameter")
        parser.parse_punctuation("=")
        params[name] = _parse_list(parser)

    parser.parse_comma_separated_list(AttrParser.Delimiter.BRACES, entry)
    return DictionaryAttr(params)


def _print_params(printer: Printer, params: DictionaryAttr) -> None:
    def entry(pair: tuple[str, Attribute]) -> None:
        printer.print_string(f"{pair[0]} = ")
        assert isinstance(pair[1], ArrayAttr)
        _print_list(printer, pair[1])

    with printer.in_braces():
        printer.print_list(sorted(params.data.items()), entry)


@irdl_attr_definition
class ConfigAttr(ParametrizedAttribute):
    """One configuration of an agent: `<"gpt-4-0613", budget = 200, temperature = 0.7>`."""

    name = "dse.config"

    model: StringAttr = param_def()
    budget: IntAttr | StringAttr | NoneAttr = param_def()
    params: DictionaryAttr = param_def()

    @staticmethod
    def of(
        model: str,
        budget: int | str | None = None,
        params: Sequence[tuple[str, int | float | str]] = (),
    ) -> ConfigAttr:
        """The attribute for Python values."""
        return ConfigAttr(
            StringAttr(model),
            NoneAttr() if budget is None else literal(budget),
            DictionaryAttr({name: literal(value) for name, value in params}),
        )

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_text(printer, self.model.data)
            if not isinstance(self.budget, NoneAttr):
                printer.print_string(", budget = ")
                print_literal(printer, self.budget)
            for name, value in sorted(self.params.data.items()):
                printer.print_string(f", {name} = ")
                print_literal(printer, value)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            model = StringAttr(parser.parse_str_literal(": model name"))
            budget: Attribute = NoneAttr()
            params: dict[str, Attribute] = {}
            while parser.parse_optional_punctuation(","):
                name = parser.parse_identifier(": `budget` or a sampling parameter")
                parser.parse_punctuation("=")
                if name == "budget":
                    budget = parse_literal(parser)
                else:
                    params[name] = parse_literal(parser)
        return [model, budget, DictionaryAttr(params)]

    def verify(self) -> None:
        if not self.model.data:
            raise VerifyException("dse.config: the model name is empty; write the provider's name")


@irdl_attr_definition
class ModelOptionAttr(ParametrizedAttribute):
    """One model of a space with its own budgets and parameters (empty: none)."""

    name = "dse.model_option"

    model: StringAttr = param_def()
    budgets: ArrayAttr[Attribute] = param_def()
    params: DictionaryAttr = param_def()

    @property
    def plain(self) -> bool:
        """Whether nothing but the model is named."""
        return not self.budgets.data and not self.params.data


@irdl_attr_definition
class SpaceAttr(ParametrizedAttribute):
    """What may be chosen for an agent.

    Budgets and parameters after the models hold for every model that names none of its own:

        <models = ["gpt-4-0613", "o3" {budgets = ["low", "high"]}], params = {temperature = [0.0]}>
    """

    name = "dse.space"

    options: ArrayAttr[ModelOptionAttr] = param_def()

    FIELDS: ClassVar[tuple[str, ...]] = ("models", "budgets", "params")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        def own() -> dict[str, Attribute]:
            if parser.parse_optional_punctuation("{") is None:
                return {}
            fields = parse_fields(
                parser,
                {
                    "budgets": lambda: _parse_list(parser),
                    "params": lambda: _parse_params(parser),
                },
            )
            parser.parse_punctuation("}")
            return fields

        def option() -> tuple[StringAttr, dict[str, Attribute]]:
            return StringAttr(parser.parse_str_literal(": model name")), own()

        models: list[tuple[StringAttr, dict[str, Attribute]]] = []

        def parse_models() -> Attribute:
            models.extend(parser.parse_comma_separated_list(AttrParser.Delimiter.SQUARE, option))
            return NoneAttr()

        with parser.in_angle_brackets():
            shared = parse_fields(
                parser,
                {
                    "models": parse_models,
                    "budgets": lambda: _parse_list(parser),
                    "params": lambda: _parse_params(parser),
                },
            )
        options = [
            ModelOptionAttr(
                model,
                fields.get("budgets", shared.get("budgets", ArrayAttr([]))),
                fields.get("params", shared.get("params", DictionaryAttr({}))),
            )
            for model, fields in models
        ]
        return [ArrayAttr(options)]

    def print_parameters(self, printer: Printer) -> None:
        options = self.options.data
        shared = options[0] if options else None
        uniform = shared is not None and all(
            (o.budgets, o.params) == (shared.budgets, shared.params) for o in options
        )

        def fields(option: ModelOptionAttr, separator: str) -> None:
            if option.budgets.data:
                printer.print_string(f"{separator}budgets = ")
                _print_list(printer, option.budgets)
                separator = ", "
            if option.params.data:
                printer.print_string(f"{separator}params = ")
                _print_params(printer, option.params)

        def print_option(option: ModelOptionAttr) -> None:
            print_text(printer, option.model.data)
            if not uniform and not option.plain:
                printer.print_string(" {")
                fields(option, "")
                printer.print_string("}")

        with printer.in_angle_brackets():
            printer.print_string("models = ")
            with printer.in_square_brackets():
                printer.print_list(options, print_option)
            if uniform and shared is not None:
                fields(shared, ", ")

    def verify(self) -> None:
        if not self.options.data:
            raise VerifyException("dse.space: no models; name at least one in `models = [...]`")
        seen: set[str] = set()
        for option in self.options:
            if option.model.data in seen:
                raise VerifyException(
                    f'dse.space: model "{option.model.data}" is listed twice; '
                    "put its budgets and parameters into one entry"
                )
            seen.add(option.model.data)
            lists = [("budgets", option.budgets), *sorted(option.params.data.items())]
            for name, values in lists:
                assert isinstance(values, ArrayAttr)
                if name != "budgets" and not values.data:
                    raise VerifyException(
                        f'dse.space: parameter "{name}" of "{option.model.data}" has no values'
                    )
                if len(set(values.data)) != len(values.data):
                    raise VerifyException(
                        f'dse.space: "{name}" of "{option.model.data}" lists a value twice'
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
        for name, estimate in self.estimates.data.items():
            if not isinstance(estimate, EstimateAttr):
                raise VerifyException(f'dse.point {self.index.data}: "{name}" is no estimate')


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
            workflow_hash = StringAttr(parser.parse_str_literal(": hash of the workflow"))
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
        for number, point in enumerate(self.points):
            if not isinstance(point, PointAttr):
                raise VerifyException(f"dse.front: entry {number} is no #dse.point")
            if point.index.data != number:
                raise VerifyException(
                    f"dse.front: point {point.index.data} stands at place {number}; "
                    "points are numbered from 0 in order"
                )


@irdl_attr_definition
class UnusedAttr(ParametrizedAttribute):
    """What stands in place of a configuration or choice that a point does not reach."""

    name = "dse.unused"


CONFIGS = "dse.configs"
"""On an op that calls an agent: one `#dse.config` or `#dse.unused` per point of the front."""

CHOICES = "dse.choices"
"""On an alternatives: one label or `#dse.unused` per point of the front."""

FRONT = "dse.front"
"""On a workflow: its `#dse.front`."""

ESTIMATE = "dse.estimate"
"""On an op of a selected point: what it is expected to do there."""

ANNOTATIONS = (CONFIGS, CHOICES, FRONT, ESTIMATE)
"""Everything exploration writes; a workflow without them is what the user wrote."""

Dse = Dialect(
    "dse",
    [],
    [
        ConfigAttr,
        EstimateAttr,
        FrontAttr,
        ModelOptionAttr,
        PointAttr,
        SpaceAttr,
        UnusedAttr,
    ],
)
