"""Sub-agents and tools as Python objects."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FloatData, IntAttr, StringAttr
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from flowir.calculus.from_ir import config_attribute
from flowir.configuration import Configuration
from flowir.dialects import flow, prompt
from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.dse_space import ModelOptionAttr, budget_attribute
from flowir.dialects.flow_types import COUNTED, AcceptsAttr, Effect, EffectAttr, PrimitiveAttr, json
from flowir.dialects.literals import literal
from flowir.errors import WorkflowError
from flowir.workflow.calls import call
from flowir.workflow.kinds import kind_of, signature, without_defaults
from flowir.workflow.places import Place, here
from flowir.workflow.tracing import Declaration
from flowir.workflow.values import Traced

_PRIMITIVE = re.compile(
    r'(?P<kind>\w+)(?: (?:top )?(?P<count>\d+))?(?: engine "(?P<engine>[^"]+)")?'
)

Own = Sequence[int | str] | Mapping[str, Any]
Models = Sequence[str] | Mapping[str, Own]
"""Names of models; or by its name what each has of its own: budgets, or `budgets` and `params`."""


@dataclass(frozen=True, eq=False)
class Agent(Declaration):
    """A sub-agent; calling it inside a workflow is one invocation.

    Attributes:
        group: decision group of its calls, see `grouped`.
        narrowed: a narrower space of its calls, see `within`.
    """

    op: flow.AgentOp
    group: str | None = None
    narrowed: SpaceAttr | None = None

    def __call__(self, *args: Traced, **kwargs: Traced) -> Traced:
        return call(self, args, kwargs, self.group, self.narrowed)

    def same(self, other: Declaration) -> bool:
        return isinstance(other, Agent) and self.op.properties == other.op.properties

    def grouped(self, group: str) -> Agent:
        """The same agent, its configuration chosen apart from that of other groups."""
        return replace(self, group=group)

    def within(
        self,
        models: Models,
        budgets: Sequence[int | str] = (),
        params: Mapping[str, Sequence[Any]] | None = None,
    ) -> Agent:
        """The same agent with a narrower space."""
        return replace(
            self, narrowed=_space(f"{here()}: agent {self.name}", models, budgets, params or {})
        )


@dataclass(frozen=True, eq=False)
class Tool(Declaration):
    """Code; calling it inside a workflow is one invocation, outside it calls the function."""

    op: flow.ToolOp
    function: Callable[..., Any]

    def same(self, other: Declaration) -> bool:
        return (
            isinstance(other, Tool)
            and self.function is other.function
            and self.op.properties == other.op.properties
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(value, Traced) for value in (*args, *kwargs.values())):
            return call(self, args, kwargs)
        return self.function(*args, **kwargs)


def agent(
    of: Callable[..., Any] | str | None = None,
    *,
    prompt: str | None = None,
    system: str | None = None,
    output: Any = str,
    models: Models = (),
    budgets: Sequence[int | str] = (),
    params: Mapping[str, Sequence[Any]] | None = None,
    baseline: Configuration | str | None = None,
    parser: str | None = None,
    metric: str | None = None,
) -> Any:
    """Declare a sub-agent: `agent("coder", prompt="…{task}…")`, or as a decorator.

    Of a decorated function the name, the parameters and the result's type are the agent's; its
    docstring is the prompt unless one is given. Its body never runs.

    Raises:
        WorkflowError: a variable without a parameter or the reverse, a template that does not
            read, a space or parser that means nothing.
    """

    def declare(name: str, template: str, function: Callable[..., Any] | None) -> Agent:
        place = here()
        where = f"{place}: agent {name}"
        variables = _variables(where, system or "", template)
        names, kind = variables, kind_of(output, where)
        kinds: tuple[Attribute, ...] = (json,) * len(names)
        if function is not None:
            found, kinds, kind = signature(function, where, untyped=json)
            names = without_defaults(found, where)
            _same_names(where, names, variables)
        properties: dict[str, Attribute] = {
            "sym_name": StringAttr(name),
            "prompt": StringAttr(template),
            "output": kind,
        }
        for word, value in (("system", system), ("parser", parser), ("metric", metric)):
            if value is not None:
                properties[word] = StringAttr(value)
        if models:
            properties["space"] = _space(where, models, budgets, params or {})
        if baseline is not None:
            properties["baseline"] = _config(baseline)
        op = flow.AgentOp.create(properties=properties)
        op.location = place.location
        _verified(op, place)
        return Agent(name, names, kinds, variables, len(names), kind, op)

    def decorate(function: Callable[..., Any]) -> Agent:
        template = prompt if prompt is not None else inspect.getdoc(function)
        if not template:
            raise WorkflowError(
                f"{here()}: agent {function.__name__}: no prompt; write it as the docstring, or "
                "give prompt="
            )
        return declare(function.__name__, template, function)

    if isinstance(of, str):
        if prompt is None:
            raise WorkflowError(f"{here()}: agent {of}: no prompt; give prompt=")
        return declare(of, prompt, None)
    return decorate if of is None else decorate(of)


def tool(
    of: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    impl: str | None = None,
    effect: str = "writes",
    latency: float = 0.0,
    accepts: tuple[float, ...] | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
    primitive: str | None = None,
) -> Any:
    """Declare code: `@tool`, `@tool(effect="pure")`, or `tool(function, …)`.

    Args:
        impl: `module:function` where emitted files find it; by default where it is defined.
        effect: `pure`, `reads` or `writes`.
        latency: seconds.
        accepts: of a checker, the chances that it accepts a right and a wrong value, and the
            persistence of its verdicts (0 where left out).
        concurrency: how many of its calls in one plan may run at once, None for any number.
        timeout: seconds for one call in a plan, None for any time.
        primitive: what it is to engines, as the text says it after `as`: `embedding`,
            `searching top 16`, `item 0`, `tool engine "solver"`.

    Raises:
        WorkflowError: an effect, rate, latency or primitive that means nothing, or a hint without
            counterpart.
    """

    def decorate(function: Callable[..., Any]) -> Tool:
        place = here()
        own = getattr(function, "__name__", "")
        if not own.isidentifier() and (name is None or impl is None):
            raise WorkflowError(
                f"{place}: a tool of {function!r}, which has no name of its own; "
                "give name= and impl=, or write it with def"
            )
        symbol = name or own
        where = f"{place}: tool {symbol}"
        found, kinds, kind = signature(function, where, untyped=json)
        names, required = _positional(found, where)
        if effect not in list(Effect):
            known = ", ".join(Effect)
            raise WorkflowError(f"{where}: unknown effect {effect!r}; use one of {known}")
        properties: dict[str, Attribute] = {
            "sym_name": StringAttr(symbol),
            "impl": StringAttr(impl or f"{function.__module__}:{own}"),
            "output": kind,
            "effect": EffectAttr(Effect(effect)),
            "latency": FloatData(float(latency)),
        }
        if accepts is not None:
            if len(accepts) not in (2, 3):
                raise WorkflowError(
                    f"{where}: accepts={accepts!r}; give (right, wrong[, persistence])"
                )
            rates = [FloatData(float(rate)) for rate in (*accepts, 0.0)[:3]]
            properties["accepts"] = _made(lambda: AcceptsAttr(*rates), where)
        if concurrency is not None:
            properties["concurrency"] = IntAttr(concurrency)
        if timeout is not None:
            properties["timeout"] = FloatData(float(timeout))
        if primitive is not None:
            properties["primitive"] = _primitive(primitive, where)
        op = flow.ToolOp.create(properties=properties)
        op.location = place.location
        _verified(op, place)
        return Tool(symbol, names, kinds[: len(names)], names, required, kind, op, function)

    return decorate if of is None else decorate(of)


def _primitive(words: str, where: str) -> Attribute:
    """`searching top 16 engine "vector store"`

    Raises:
        WorkflowError: words that say no primitive.
    """
    found = _PRIMITIVE.fullmatch(words.strip())
    if found is None or (found["count"] is None) == (found["kind"] in COUNTED):
        raise WorkflowError(
            f"{where}: primitive={words!r}; write embedding, ingestion, searching top N, "
            'reranking top N, item N or tool, and engine "name" after it if it has its own'
        )
    return _made(
        lambda: PrimitiveAttr(
            StringAttr(found["kind"]),
            StringAttr(found["engine"] or ""),
            IntAttr(int(found["count"] or 0)),
        ),
        where,
    )


def _positional(parameters: Sequence[inspect.Parameter], where: str) -> tuple[tuple[str, ...], int]:
    """Names of the parameters that a workflow gives, and how many of them it has to.

    Raises:
        WorkflowError: one that has to be given cannot be given by position.
    """
    names = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    for parameter in parameters:
        if parameter not in names and parameter.default is parameter.empty:
            raise WorkflowError(
                f"{where}: input {parameter.name} is given by name only, and tools are called by "
                "position; move it before the *"
            )
    required = sum(parameter.default is parameter.empty for parameter in names)
    return tuple(parameter.name for parameter in names), required


def _variables(where: str, *templates: str) -> tuple[str, ...]:
    try:
        return prompt.variables(*templates)
    except ValueError as error:
        raise WorkflowError(f"{where}: the prompt template does not read: {error}") from None


def _same_names(where: str, names: Sequence[str], variables: Sequence[str]) -> None:
    if missing := [name for name in variables if name not in names]:
        raise WorkflowError(
            f"{where}: the prompt uses {{{missing[0]}}}, but there is no parameter {missing[0]}; "
            "add it, or write {{ and }} for braces"
        )
    if unused := [name for name in names if name not in variables]:
        raise WorkflowError(
            f"{where}: the parameter {unused[0]} is not in the prompt; "
            f"write {{{unused[0]}}} where it belongs, or remove it"
        )


def _space(
    where: str, models: Models, budgets: Sequence[int | str], params: Mapping[str, Sequence[Any]]
) -> SpaceAttr:
    own = models if isinstance(models, Mapping) else {}

    def option(model: str) -> ModelOptionAttr:
        fields = {"budgets": budgets, "params": params, **_own(where, model, own.get(model, {}))}
        given = ArrayAttr([budget_attribute(budget) for budget in fields["budgets"]])
        values = {
            key: ArrayAttr([literal(v) for v in values]) for key, values in fields["params"].items()
        }
        return ModelOptionAttr(StringAttr(model), given, DictionaryAttr(values))

    made = _made(lambda: SpaceAttr(ArrayAttr([option(model) for model in models])), where)
    assert isinstance(made, SpaceAttr)
    return made


def _own(where: str, model: str, given: Own) -> Mapping[str, Any]:
    """What a model has of its own."""
    if not isinstance(given, Mapping):
        return {"budgets": given}
    if unknown := [key for key in given if key not in ("budgets", "params")]:
        raise WorkflowError(
            f"{where}: model {model} has no {unknown[0]!r}; write budgets or params"
        )
    return given


def _config(chosen: Configuration | str) -> ConfigAttr:
    return config_attribute(Configuration(chosen) if isinstance(chosen, str) else chosen)


def _made(make: Callable[[], Attribute], where: str) -> Attribute:
    try:
        return make()
    except VerifyException as error:
        raise WorkflowError(f"{where}: {error}") from None


def _verified(op: flow.AgentOp | flow.ToolOp, place: Place) -> None:
    try:
        op.verify()
    except VerifyException as error:
        raise WorkflowError(f"{place}: {error}") from None
