"""Lines of at most 100 characters, broken as ruff breaks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

WIDTH = 100
INDENT = "    "


@dataclass(frozen=True)
class Group:
    """Items between brackets: a call, or a collection.

    Attributes:
        opening: the text up to and with the opening bracket, such as `await coder(`.
        items: what stands between the brackets.
        closing: the closing bracket and what follows it.
        collection: whether it is a list, tuple or dict, whose items go one to a line once it does
            not fit on one; the arguments of a call may then share a line.
        spread: one item to a line in any case.
        comma: what stands between items; nothing between the parts of a comprehension.
    """

    opening: str
    items: tuple[Expression, ...]
    closing: str = ")"
    collection: bool = False
    spread: bool = False
    comma: str = ","

    def before(self, text: str) -> Group:
        """The same with `text` in front."""
        return replace(self, opening=text + self.opening)


Expression = str | Group


def call(function: str, *arguments: Expression) -> Group:
    """`function(arguments)`"""
    return Group(f"{function}(", arguments)


def collection(items: Sequence[Expression], brackets: str = "[]") -> Group:
    """A list, or a dict or tuple by its brackets."""
    return Group(brackets[0], tuple(items), brackets[1], collection=True)


def comprehension(element: Expression, clause: str) -> Group:
    """`[element clause]`"""
    return Group("[", (element, clause), "]", collection=True, comma="")


def prefixed(text: str, expression: Expression) -> Expression:
    """`text` and the expression after it."""
    return text + expression if isinstance(expression, str) else expression.before(text)


def flat(expression: Expression) -> str:
    """The expression on one line."""
    if isinstance(expression, str):
        return expression
    items = f"{expression.comma} ".join(map(flat, expression.items))
    lone_tuple = expression.collection and expression.closing == ")" and len(expression.items) == 1
    return f"{expression.opening}{items}{',' if lone_tuple else ''}{expression.closing}"


def is_spread(expression: Expression) -> bool:
    """Whether an expression cannot stand on one line."""
    if isinstance(expression, str):
        return False
    return expression.spread or any(map(is_spread, expression.items))


def lines(expression: Expression, depth: int, after: str = "") -> list[str]:
    """The expression with `after` behind it, on as many lines as it needs, indented."""
    indent, inner = INDENT * depth, INDENT * (depth + 1)
    whole = indent + flat(expression) + after
    if isinstance(expression, str) or not expression.items:
        return [whole]
    spread = is_spread(expression)
    if len(whole) <= WIDTH and not spread:
        return [whole]
    opening, closing = indent + expression.opening, indent + expression.closing + after
    comma = expression.comma
    body = inner + f"{comma} ".join(map(flat, expression.items))
    if len(body) <= WIDTH and not (expression.collection and comma) and not spread:
        return [opening, body, closing]
    separate = [line for item in expression.items for line in lines(item, depth + 1, comma)]
    return [opening, *separate, closing]
