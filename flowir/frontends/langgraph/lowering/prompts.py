"""Model calls of a node: which model, what it is held to, and what it is told."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any

from flowir.dialects.flow_types import ListType
from flowir.frontends.langgraph.reading.functions import (
    Function,
    argument,
    called_name,
    constant,
    local_value,
)
from flowir.frontends.langgraph.reading.model_calls import MODEL_METHODS, called_model
from flowir.frontends.langgraph.reading.state import read_key

if TYPE_CHECKING:
    from flowir.frontends.langgraph.lowering.node_code import NodeCode

Piece = str | ast.expr
"""Of a prompt: text as it is, or an expression whose value is shown."""

_ROLES = {"SystemMessage": "system", "HumanMessage": "user", "system": "system", "user": "user"}
_ROLES["human"] = "user"

TOOL_CALLS = (
    "lets a model call tools: it is sent a history of messages with calls and results, and a flow "
    "agent one system prompt and one prompt; have it name the tool in a structured answer and "
    "route on that, or let it plan all calls (flow.plan)"
)
HISTORY = (
    "sends a history of messages, and a flow agent is sent one system prompt and one prompt; keep "
    "what it needs in keys of text, and write the prompt from those"
)


@dataclass(frozen=True)
class Invocation:
    """A model call.

    Attributes:
        schema: name of the class that a structured answer is validated with.
        template: a prompt template object that comes before the model, or None.
        gives_text: whether the answer is text, not a message.
        problem: why the call cannot be an agent, or None.
    """

    model: Any
    schema: str | None = None
    template: Any | None = None
    gives_text: bool = False
    problem: str | None = None


def invocation_of(function: Function, call: ast.Call) -> Invocation | None:
    """What a call asks of a model; None where it calls none."""
    match call.func:
        case ast.Attribute(base, method) if method in MODEL_METHODS:
            model = called_model(function, base)
        case _:
            return None
    if model is None:
        return None
    if method not in ("invoke", "ainvoke"):
        return Invocation(model, problem=f"calls a model by .{method}, not .invoke")
    while isinstance(base, ast.Name) and (given := local_value(function, base.id)) is not None:
        base = given
    if (schema := _schema(function, base)) is not None:
        return Invocation(model, schema)
    if isinstance(base, ast.Call):
        if called_name(base) == "bind_tools":
            return Invocation(model, problem=TOOL_CALLS)
        name = ast.unparse(base.func)
        return Invocation(model, problem=f"calls a model made by {name}(…), which is not followed")
    return _of_object(model, function.resolve(base))


def _schema(function: Function, base: ast.expr) -> str | None:
    """The name in `x.with_structured_output(Name)`, written here or where a global is given it."""
    if isinstance(base, ast.Name):
        made = _module_value(function, base.id)
        return None if made is None else _schema(function, made)
    match base:
        case ast.Call(ast.Attribute(_, "with_structured_output"), [ast.Name(name), *_]):
            return name
        case _:
            return None


def _module_value(function: Function, name: str) -> ast.expr | None:
    """What a module gives a global, where it does so once and by an assignment."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(function.value)))  # type: ignore[arg-type]
    except (OSError, TypeError):
        return None
    given = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == name
    ]
    return given[0] if len(given) == 1 else None


def _of_object(model: Any, value: Any) -> Invocation:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableBinding

    if value is model:
        return Invocation(model)
    steps = list(getattr(value, "steps", ()))
    template = steps.pop(0) if steps and isinstance(steps[0], ChatPromptTemplate) else None
    gives_text = bool(steps) and isinstance(steps[-1], StrOutputParser)
    if gives_text:
        steps.pop()
    if [*steps] == [model]:
        return Invocation(model, None, template, gives_text)
    bound = next((s for s in [value, *steps] if isinstance(s, RunnableBinding)), None)
    if bound is not None and "tools" in bound.kwargs:
        return Invocation(model, problem=TOOL_CALLS)
    return Invocation(model, problem=f"calls a model inside a {type(value).__name__}")


def messages_of(
    code: NodeCode, call: ast.Call, found: Invocation, local: Mapping[str, ast.expr]
) -> dict[str, list[Piece]]:
    """The system prompt and the prompt, in pieces."""
    given = call.args[0] if call.args else argument(call, "input", 0)
    if given is None or len(call.args) > 1:
        code.refuse(call, "calls a model with a configuration of its own")
    if found.template is not None:
        return _of_template(code, found.template, given)
    while isinstance(given, ast.Name) and given.id in local:
        given = local[given.id]
    if isinstance(given, ast.BinOp) and any(
        isinstance(part, ast.List) for part in (given.left, given.right)
    ):
        code.refuse(call, HISTORY)
    if not isinstance(given, ast.List):
        _check_text(code, given, local)
        return {"user": _pieces(code, given)}
    messages: dict[str, list[Piece]] = {}
    for item in given.elts:
        role, content = _message(code, item)
        if role in messages or (role == "system" and messages):
            code.refuse(item, "sends more than one system prompt and then one prompt")
        _check_text(code, content, local)
        messages[role] = _pieces(code, content)
    if "user" not in messages:
        code.refuse(given, "sends no prompt but a system prompt")
    return messages


def _check_text(code: NodeCode, tree: ast.expr, local: Mapping[str, ast.expr]) -> None:
    """A value of the state that is sent as it is must be text: a list is several messages."""
    key = read_key(tree, code.function.state)
    if key is not None and isinstance(code.types.get(key), ListType):
        code.refuse(tree, HISTORY)
    if isinstance(tree, ast.Name) and tree.id in local:
        _check_known(code, local[tree.id], tree)


def _check_known(code: NodeCode, tree: ast.expr, where: ast.expr) -> None:
    known = code.known.get(tree.id) if isinstance(tree, ast.Name) else None
    if isinstance(tree, ast.List | ast.ListComp) or (
        known is not None and isinstance(known.value.type, ListType)
    ):
        code.refuse(where, HISTORY)


def _message(code: NodeCode, item: ast.expr) -> tuple[str, ast.expr]:
    role: Any = None
    content: ast.expr | None = None
    match item:
        case ast.Call():
            role, content = called_name(item), argument(item, "content", 0)
        case ast.Tuple([ast.Constant(role), content]):
            pass
        case ast.Dict(keys, values):
            fields = {
                k.value: v for k, v in zip(keys, values, strict=True) if isinstance(k, ast.Constant)
            }
            named = fields.get("role")
            role = named.value if isinstance(named, ast.Constant) else None
            content = fields.get("content")
        case _:
            pass
    if role not in _ROLES or content is None:
        code.refuse(item, HISTORY)
    return _ROLES[role], content


def _of_template(code: NodeCode, template: Any, given: ast.expr) -> dict[str, list[Piece]]:
    values: dict[str, ast.expr] = {}
    if isinstance(given, ast.Dict):
        for key, value in zip(given.keys, given.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                values[key.value] = value
    messages: dict[str, list[Piece]] = {}
    for message in template.messages:
        role = {"SystemMessagePromptTemplate": "system", "HumanMessagePromptTemplate": "user"}.get(
            type(message).__name__
        )
        inner = getattr(message, "prompt", None)
        if role is None or role in messages or getattr(inner, "template_format", "") != "f-string":
            code.refuse(given, "uses a prompt template that is not a system prompt and a prompt")
        messages[role] = _filled(code, inner.template, values, given)  # type: ignore[union-attr]
    return messages


def _filled(
    code: NodeCode, template: str, values: Mapping[str, ast.expr], where: ast.expr
) -> list[Piece]:
    """The pieces of a `str.format` template."""
    pieces: list[Piece] = []
    for words, name, spec, conversion in Formatter().parse(template):
        if words:
            pieces.append(words)
        if name is None:
            continue
        if name not in values or spec or conversion:
            code.refuse(where, f"fills {{{name}}} of a prompt in a way that is not followed")
        pieces.append(values[name])
    return pieces


def _pieces(code: NodeCode, tree: ast.expr) -> list[Piece]:
    """A string expression in pieces; one that is not understood is one piece."""
    match tree:
        case ast.Constant(str(words)):
            return [words]
        case ast.JoinedStr(values):
            pieces: list[Piece] = []
            for part in values:
                match part:
                    case ast.FormattedValue(value, -1, None):
                        pieces.append(value)
                    case ast.Constant(said):
                        pieces.append(str(said))
                    case _:
                        pieces.append(ast.JoinedStr([part]))
            return pieces
        case ast.BinOp(left, ast.Add(), right) if not isinstance(left, ast.List):
            return [*_pieces(code, left), *_pieces(code, right)]
        case ast.Name(name) if isinstance(given := code.function.names.get(name), str):
            return [given]
        case ast.Call(ast.Attribute(base, "format"), [], keywords) if isinstance(
            template := constant(code.function, base), str
        ):
            values_by_name = {k.arg: k.value for k in keywords if k.arg is not None}
            return _filled(code, template, values_by_name, tree)
        case _:
            return [tree]
