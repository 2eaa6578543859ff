"""Sub-agents and tools as Python objects."""

from __future__ import annotations

import inspect
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
from flowir.dialects.dse_space import ModelOptionAttr, _budget
from flowir.dialects.flow_types import AcceptsAttr, Effect, EffectAttr
from flowir.dialects.literals import literal
from flowir.errors import WorkflowError
from flowir.workflow.kinds import kind_of, signature
from flowir.workflow.tracing import Declaration, call
from flowir.workflow.values import Traced

Models = Sequence[str] | Mapping[str, Sequence[int | str]]
"""Names of models, or the budgets of each by its name."""


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
        return replace(self, narrowed=_space(self.name, models, budgets, params or {}))


@dataclass(frozen=True, eq=False)
class Tool(Declaration):
    """Code; calling it inside a workflow is one invocation, outside it calls the function."""

    op: flow.ToolOp
    function: Callable[..., Any]

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
        where = f"agent {name}"
        variables = _variables(where, system or "", template)
        names, kind = variables, kind_of(output, where)
        if function is not None:
            found, _, kind = signature(function, where)
            names = tuple(found.parameters)
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
            properties["space"] = _space(name, models, budgets, params or {})
        if baseline is not None:
            properties["baseline"] = _config(baseline)
        op = flow.AgentOp.create(properties=properties)
        _verified(op)
        return Agent(name, names, variables, kind, op)

    def decorate(function: Callable[..., Any]) -> Agent:
        template = prompt if prompt is not None else inspect.getdoc(function)
        if not template:
            raise WorkflowError(
                f"agent {function.__name__}: no prompt; write it as the docstring or give prompt="
            )
        return declare(function.__name__, template, function)

    if isinstance(of, str):
        if prompt is None:
            raise WorkflowError(f"agent {of}: no prompt; give prompt=")
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

    Raises:
        WorkflowError: an effect, rate or latency that means nothing, or a hint without counterpart.
    """

    def decorate(function: Callable[..., Any]) -> Tool:
        symbol = name or function.__name__
        found, _, kind = signature(function, f"tool {symbol}")
        if effect not in list(Effect):
            known = ", ".join(Effect)
            raise WorkflowError(f"tool {symbol}: unknown effect {effect!r}; use one of {known}")
        properties: dict[str, Attribute] = {
            "sym_name": StringAttr(symbol),
            "impl": StringAttr(impl or f"{function.__module__}:{function.__name__}"),
            "output": kind,
            "effect": EffectAttr(Effect(effect)),
            "latency": FloatData(float(latency)),
        }
        if accepts is not None:
            if len(accepts) not in (2, 3):
                raise WorkflowError(f"tool {symbol}: accepts=(right, wrong[, persistence])")
            rates = [FloatData(float(rate)) for rate in (*accepts, 0.0)[:3]]
            properties["accepts"] = _made(lambda: AcceptsAttr(*rates), f"tool {symbol}")
        if concurrency is not None:
            properties["concurrency"] = IntAttr(concurrency)
        if timeout is not None:
            properties["timeout"] = FloatData(float(timeout))
        op = flow.ToolOp.create(properties=properties)
        _verified(op)
        names = tuple(found.parameters)
        return Tool(symbol, names, names, kind, op, function)

    return decorate if of is None else decorate(of)


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
    name: str, models: Models, budgets: Sequence[int | str], params: Mapping[str, Sequence[Any]]
) -> SpaceAttr:
    own = models if isinstance(models, Mapping) else {}
    shared = DictionaryAttr(
        {key: ArrayAttr([literal(v) for v in values]) for key, values in params.items()}
    )

    def option(model: str) -> ModelOptionAttr:
        given = ArrayAttr([_budget(budget) for budget in own.get(model, budgets)])
        return ModelOptionAttr(StringAttr(model), given, shared)

    made = _made(lambda: SpaceAttr(ArrayAttr([option(model) for model in models])), f"agent {name}")
    assert isinstance(made, SpaceAttr)
    return made


def _config(chosen: Configuration | str) -> ConfigAttr:
    return config_attribute(Configuration(chosen) if isinstance(chosen, str) else chosen)


def _made(make: Callable[[], Attribute], where: str) -> Attribute:
    try:
        return make()
    except VerifyException as error:
        raise WorkflowError(f"{where}: {error}") from None


def _verified(op: flow.AgentOp | flow.ToolOp) -> None:
    try:
        op.verify()
    except VerifyException as error:
        raise WorkflowError(str(error)) from None
