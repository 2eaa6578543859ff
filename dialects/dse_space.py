"""Design spaces: what may be chosen for an agent, and one such choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntAttr,
    NoneAttr,
    StringAttr,
)
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition, param_def
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from flowir.dialects.literals import (
    literal,
    parse_fields,
    parse_literal,
    parse_text,
    print_literal,
    print_text,
    verify_finite,
    verify_names,
)

Budget = IntAttr | StringAttr


def budget_attribute(value: int | str | None) -> Budget | NoneAttr:
    """A reasoning budget: tokens, an effort label, or none."""
    if value is None:
        return NoneAttr()
    return StringAttr(value) if isinstance(value, str) else IntAttr(value)


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
        position = parser.pos
        name = parser.parse_identifier(": name of a sampling parameter")
        if name in params:
            parser.raise_error(f"parameter '{name}' is given twice", position)
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


def _verify_parameters(where: str, params: DictionaryAttr) -> None:
    verify_names(where, params.data)
    if "budget" in params.data:
        raise VerifyException(f"{where}: `budget` is no sampling parameter; it has its own place")


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
            budget_attribute(budget),
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
            model = StringAttr(parse_text(parser, "model name"))
            budget: Attribute = NoneAttr()
            params: dict[str, Attribute] = {}
            while parser.parse_optional_punctuation(","):
                position = parser.pos
                name = parser.parse_identifier(": `budget` or a sampling parameter")
                if name in params or (name == "budget" and budget != NoneAttr()):
                    parser.raise_error(f"'{name}' is given twice", position)
                parser.parse_punctuation("=")
                if name == "budget":
                    budget = parse_literal(parser)
                else:
                    params[name] = parse_literal(parser)
        return [model, budget, DictionaryAttr(params)]

    def verify(self) -> None:
        if not self.model.data:
            raise VerifyException("dse.config: the model name is empty; write the provider's name")
        _verify_parameters("dse.config", self.params)
        verify_finite("dse.config", self.params.data.values())


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
            return StringAttr(parse_text(parser, "model name")), own()

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
                cast(ArrayAttr, fields.get("budgets", shared.get("budgets", ArrayAttr([])))),
                cast(
                    DictionaryAttr, fields.get("params", shared.get("params", DictionaryAttr({})))
                ),
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
            _verify_parameters("dse.space", option.params)
            lists = [("budgets", option.budgets), *sorted(option.params.data.items())]
            for name, values in lists:
                assert isinstance(values, ArrayAttr)
                verify_finite("dse.space", values)
                if name != "budgets" and not values.data:
                    raise VerifyException(
                        f'dse.space: parameter "{name}" of "{option.model.data}" has no values'
                    )
                if len(set(values.data)) != len(values.data):
                    raise VerifyException(
                        f'dse.space: "{name}" of "{option.model.data}" lists a value twice'
                    )
