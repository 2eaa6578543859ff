"""Lowers the body of one node: its model calls become agents, the code around them adapters.

The body is followed statement by statement with the values of the state at hand, so a `.get` of
what nobody has written yet is None here as it is there. What cannot be followed is refused.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from xdsl.ir import Attribute, SSAValue

from flowir.dialects.flow_types import Effect, json, label, text
from flowir.frontends.langgraph.facts import END, GraphImportError
from flowir.frontends.langgraph.lowering.building import GOTO, Building, Env
from flowir.frontends.langgraph.lowering.prompts import (
    Invocation,
    Piece,
    invocation_of,
    messages_of,
)
from flowir.frontends.langgraph.reading.functions import (
    Function,
    argument,
    called_name,
    constant,
)
from flowir.frontends.langgraph.reading.models import describe_model
from flowir.frontends.langgraph.reading.state import read_key

_HARMLESS = ("print", "debug", "info", "warning")
"""Functions whose call as a statement changes no value."""


@dataclass(frozen=True)
class Known:
    """What a placeholder in a tree stands for."""

    value: SSAValue
    hint: str
    schema: str | None = None
    """How the adapters name the class that a structured answer is validated with."""
    message: bool = False


class NodeCode:
    """Follows one function with the state as it is when the node runs."""

    def __init__(
        self,
        build: Building,
        name: str,
        function: Function,
        env: Env,
        types: Mapping[str, Attribute],
    ) -> None:
        self.build, self.name, self.function = build, name, function
        self.env, self.types = env, types
        self.known: dict[str, Known] = {}
        self.notes: list[str] = []

    def run(self) -> Env:
        """What the node writes.

        Raises:
            GraphImportError: the body does something that cannot be followed.
        """
        assert self.function.tree is not None
        return self._statements(self.function.tree.body, {})

    def refuse(self, tree: ast.AST, problem: str) -> NoReturn:
        line = getattr(tree, "lineno", self.function.place.line)
        raise GraphImportError(f"{self.function.place.file}:{line}: node {self.name!r} {problem}")

    def _statements(self, body: Sequence[ast.stmt], local: dict[str, ast.expr]) -> Env:
        for place, statement in enumerate(body):
            match statement:
                case ast.Expr(ast.Constant()) | ast.Pass():
                    continue
                case ast.Expr(ast.Call() as call) if called_name(call) in _HARMLESS:
                    self.notes.append(
                        f"line {statement.lineno}: {ast.unparse(call.func)} is left out"
                    )
                case ast.Assign([ast.Name(name)], value):
                    local = {**local, name: self.value(value, local)}
                case ast.AnnAssign(ast.Name(name), _, value) if value is not None:
                    local = {**local, name: self.value(value, local)}
                case ast.If(test, then, otherwise):
                    rest = list(body[place + 1 :])
                    return self._if(test, [*then, *rest], [*otherwise, *rest], local)
                case ast.Return(value):
                    return self._updates(value, local)
                case _:
                    self.refuse(
                        statement,
                        f"calls a model in code with a {type(statement).__name__} statement, which "
                        "is not followed; give the model call a node of its own",
                    )
        return {}

    def _if(
        self,
        test: ast.expr,
        then: Sequence[ast.stmt],
        otherwise: Sequence[ast.stmt],
        local: dict[str, ast.expr],
    ) -> Env:
        condition = self.value(test, local)
        if (sure := literal(condition)) is not None:
            return self._statements(then if sure[0] else otherwise, local)
        choice = ast.IfExp(condition, ast.Constant("yes"), ast.Constant("no"))
        asked = self.materialize(choice, label, f"{self.name}_if", test)
        cases = {
            "yes": lambda: self._statements(then, local),
            "no": lambda: self._statements(otherwise, local),
        }
        return self.build.branch(asked, cases, {}, None)

    def _updates(self, value: ast.expr | None, local: dict[str, ast.expr]) -> Env:
        found: Env = {}
        match value:
            case None | ast.Constant(None):
                found = {}
            case ast.Dict(keys, values):
                for key, item in zip(keys, values, strict=True):
                    if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                        self.refuse(value, "returns a dict with a key that is no literal")
                    kind = self.types.get(key.value, json)
                    hint = f"{self.name}_{key.value}"
                    found[key.value] = self.materialize(self.value(item, local), kind, hint, item)
            case ast.Call() if called_name(value) == "Command":
                found = self._updates(argument(value, "update", 1), local)
                goto = argument(value, "goto", 3) or ast.Constant(END)
                known = constant(self.function, goto)
                tree = self.value(goto, local) if known is None else ast.Constant(known)
                found[GOTO] = self.materialize(tree, label, f"{self.name}_goto", value)
            case _:
                self.refuse(value, "does not return a dict that shows its keys")
        return found

    def value(self, tree: ast.expr, local: Mapping[str, ast.expr]) -> ast.expr:
        """An expression with everything known put in: state, locals, answers of models."""
        return _Follow(self, local).visit(copy.deepcopy(tree))  # type: ignore[no-any-return]

    def placeholder(self, known: Known) -> ast.Name:
        name = f"__v{len(self.known)}"
        self.known[name] = known
        return ast.Name(name, ast.Load())

    def materialize(self, tree: ast.expr, kind: Attribute, hint: str, where: ast.AST) -> SSAValue:
        """The value of an expression: as it is, or from an adapter that computes it."""
        if isinstance(tree, ast.Name) and tree.id in self.known:
            known = self.known[tree.id]
            if known.value.type == kind and known.schema is None and not known.message:
                return known.value
        inside = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        used = list(dict.fromkeys(name for name in inside if name in self.known))
        for name in used:
            if self.known[name].message:
                self.refuse(where, "keeps a whole message of a model; keep its .content")
        parameters = [(self.known[name].hint, self.known[name].value) for name in used]

        def lines(names: Sequence[str]) -> list[str]:
            shown: dict[str, ast.expr] = {}
            for name, parameter in zip(used, names, strict=True):
                schema = self.known[name].schema
                code = f"{schema}.model_validate({parameter})" if schema else parameter
                shown[name] = ast.parse(code, mode="eval").body
            final = _Names(self, shown, where).visit(copy.deepcopy(tree))
            return [f"return {ast.unparse(ast.fix_missing_locations(final))}"]

        effect = Effect.PURE if self._is_pure(tree) else Effect.WRITES
        return self.build.tool(hint, parameters, lines, kind, effect=effect)

    def _is_pure(self, tree: ast.expr) -> bool:
        """Whether nothing but builtins and methods of values is called."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                match node.func:
                    case ast.Name(name) if hasattr(builtins, name) and name not in (
                        "open",
                        "input",
                        "exec",
                        "eval",
                    ):
                        continue
                    case ast.Attribute(ast.Constant() | ast.JoinedStr()):
                        continue
                    case ast.Attribute(ast.Name(name)) if name in self.known:
                        continue
                    case _:
                        return False
        return True

    def call_model(
        self, call: ast.Call, found: Invocation, local: Mapping[str, ast.expr]
    ) -> ast.expr:
        """The call of an agent; gives what stands for the answer."""
        if (problem := found.problem) is not None:
            self.refuse(call, problem)
        messages = messages_of(self, call, found, local)
        texts: dict[str, str] = {}
        operands: dict[str, SSAValue] = {}
        for role in ("system", "user"):
            if role in messages:
                texts[role] = self._template(messages[role], operands, local, call)
        kind: Attribute = text if found.schema is None else json
        model = describe_model(found.model)
        with self.build.at(f"{self.function.place.file}:{call.lineno}", "ast"):
            symbol = self.build.agent(self.name, texts.get("system"), texts["user"], kind, model)
            answer = self.build.call(symbol, list(operands.values()), kind, self.name)
        schema = None
        if found.schema is not None:
            self.notes.append(
                f"the answer of {self.name!r} was held to {found.schema}; say so in its prompt"
            )
            schema = _reference(self, found.schema, call)
        whole = found.schema is None and not found.gives_text
        return self.placeholder(Known(answer, f"{self.name}_answer", schema, whole))

    def _template(
        self,
        pieces: Sequence[Piece],
        operands: dict[str, SSAValue],
        local: Mapping[str, ast.expr],
        where: ast.AST,
    ) -> str:
        """A prompt template; the values of its variables are added to `operands`."""
        parts: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(piece.replace("{", "{{").replace("}", "}}"))
                continue
            tree = self.value(piece, local)
            if (sure := literal(tree)) is not None:
                parts.append(str(sure[0]).replace("{", "{{").replace("}", "}}"))
                continue
            plain = isinstance(tree, ast.Name) and tree.id in self.known
            kind = self.known[tree.id].value.type if plain else None  # type: ignore[attr-defined]
            if plain and kind in (text, label):
                value = self.materialize(tree, kind, "", where)
                hint = self.known[tree.id].hint  # type: ignore[attr-defined]
            else:
                shown = ast.JoinedStr([ast.FormattedValue(tree, -1)])
                hint = f"{self.name}_shown"
                value = self.materialize(shown, text, hint, where)
            parts.append("{" + _variable(hint, value, operands) + "}")
        return "".join(parts)


def _variable(hint: str, value: SSAValue, operands: dict[str, SSAValue]) -> str:
    name, number = hint, 2
    while operands.get(name, value) is not value:
        name, number = f"{hint}_{number}", number + 1
    operands[name] = value
    return name


def literal(tree: ast.expr) -> tuple[Any] | None:
    """The value of an expression of literals and `not`, in a tuple; None of any other."""
    match tree:
        case ast.Constant(value):
            return (value,)
        case ast.UnaryOp(ast.Not(), inner):
            found = literal(inner)
            return None if found is None else (not found[0],)
        case _:
            return None


class _Follow(ast.NodeTransformer):
    """Puts state, locals and answers into an expression."""

    def __init__(self, code: NodeCode, local: Mapping[str, ast.expr]) -> None:
        self.code, self.local = code, local

    def visit(self, node: ast.AST) -> Any:
        code = self.code
        key = read_key(node, code.function.state)
        if key is not None:
            if key in code.env:
                known = code.placeholder(Known(code.env[key], key))
                default = node.args[1] if isinstance(node, ast.Call) and node.args[1:] else None
                if default is None or code.env[key] not in code.build.unsure:
                    return known
                missing = ast.Compare(known, [ast.Is()], [ast.Constant(None)])
                return ast.IfExp(missing, self.visit(copy.deepcopy(default)), known)
            if isinstance(node, ast.Call):
                return node.args[1] if len(node.args) > 1 else ast.Constant(None)
            code.refuse(node, f"reads {key!r}, which nobody has written; give it as an input")
        return super().visit(node)

    def visit_Await(self, node: ast.Await) -> Any:
        return self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> Any:
        found = invocation_of(self.code.function, node)
        if found is not None:
            return self.code.call_model(node, found, self.local)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        base = self.visit(node.value)
        if node.attr == "content" and isinstance(base, ast.Name) and base.id in self.code.known:
            known = self.code.known[base.id]
            if known.message:
                return self.code.placeholder(Known(known.value, known.hint))
        node.value = base
        return node

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id == self.code.function.state:
            self.code.refuse(node, "passes its whole state on, beside calling a model")
        return copy.deepcopy(self.local[node.id]) if node.id in self.local else node


class _Names(ast.NodeTransformer):
    """Names of the user's module as the adapters know them, and placeholders as parameters."""

    def __init__(self, code: NodeCode, shown: Mapping[str, ast.expr], where: ast.AST) -> None:
        self.code, self.shown, self.where = code, shown, where
        self.own: set[str] = set()

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        return self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> Any:
        return self._scoped(node)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp  # type: ignore[assignment]

    def _scoped(self, node: Any) -> Any:
        for part in node.generators:
            self.own |= {n.id for n in ast.walk(part.target) if isinstance(n, ast.Name)}
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id in self.shown:
            return copy.deepcopy(self.shown[node.id])
        if node.id in self.own:
            return node
        if node.id in self.code.function.names:
            return ast.parse(_reference(self.code, node.id, self.where), mode="eval").body
        if hasattr(builtins, node.id):
            return node
        return self.code.refuse(self.where, f"uses {node.id!r}, whose value is not known")


def _reference(code: NodeCode, name: str, where: ast.AST) -> str:
    """How the adapters name something of the user's module."""
    value = code.function.value
    if name.partition(".")[0] not in value.__globals__:
        code.refuse(where, f"uses {name!r} of the function around it; define it at the top level")
    return f"{code.build.adapters.alias(value.__module__)}.{name}"
