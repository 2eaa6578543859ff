"""Prompt templates: `{name}` is a variable, `{{` and `}}` are braces. Nothing else is special."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]|[^{}]+")


def pieces(template: str) -> list[tuple[str, bool]]:
    """The template as (text, is_variable) pieces.

    Raises:
        ValueError: a brace that neither opens a variable nor is doubled; says where.
    """
    found: list[tuple[str, bool]] = []
    for match in _PIECE.finditer(template):
        text = match.group()
        if match.group(1):
            found.append((match.group(1), True))
        elif text in ("{{", "}}"):
            found.append((text[0], False))
        elif text in ("{", "}"):
            excerpt = template[match.start() : match.start() + 20]
            raise ValueError(
                f"unpaired {text!r} at character {match.start()} ({excerpt!r}): "
                "write {name} for a variable and double a brace that is text"
            )
        else:
            found.append((text, False))
    return found


def variables(*templates: str) -> tuple[str, ...]:
    """Names of the variables, each once, by first appearance.

    Raises:
        ValueError: as `pieces`.
    """
    names = [name for template in templates for name, variable in pieces(template) if variable]
    return tuple(dict.fromkeys(names))


def fill(template: str, values: dict[str, str]) -> str:
    """The template with its variables replaced; braces inside the values stay as they are."""
    return "".join(values[text] if variable else text for text, variable in pieces(template))
