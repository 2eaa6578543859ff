"""Copies what an emitted file needs out of the library."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from flowir.backends.asyncio.layout import INDENT, WIDTH

MODULES = (
    "points",
    "selection",
    "errors",
    "running",
    "usage",
    "calls",
    "tracing",
    "openai_client",
    "tools",
    "values",
    "races",
    "command_line",
)
"""The modules of the library, in the order in which an emitted file has their definitions."""

WRITTEN = (
    "Inputs",
    "INPUTS",
    "PLANNED",
    "Point",
    "POINTS",
    "PRICES",
    "PROVIDERS",
    "REASONING",
    "TOOLS",
    "WORKFLOW",
)
"""What the emitter writes anew for every workflow."""

_PACKAGE = "flowir.backends.asyncio.library"


@dataclass(frozen=True)
class Definition:
    """A top-level statement of the library.

    Attributes:
        source: its lines, with the marks of what applies only to some workflows.
    """

    module: str
    name: str
    source: str


@dataclass(frozen=True)
class Library:
    """All definitions, and for every imported name the statement that imports it."""

    definitions: Mapping[str, Definition]
    imports: Mapping[str, str]


PLANS = {
    "flowir.plan": (
        "values",
        "signatures",
        "diagnostics",
        "events",
        "arguments",
        "checks",
        "reader",
        "joiner",
    ),
    "flowir.runtime": ("fetching", "replanning"),
    _PACKAGE: ("plans",),
}
"""The modules that run plans, here and in emitted files, in the order of their definitions."""


@cache
def library(plans: bool = False) -> Library:
    """The library, read from its source.

    Args:
        plans: whether what runs plans is in it.
    """
    own = read_library(_PACKAGE, MODULES)
    if not plans:
        return own
    definitions, imports = dict(own.definitions), dict(own.imports)
    for package, modules in PLANS.items():
        found = read_library(package, modules)
        imports = {**found.imports, **imports}
        for name, definition in found.definitions.items():
            assert name not in definitions, f"two definitions of {name}"
            source = definition.source.replace("FlowirError", "WorkflowError")
            definitions[name] = Definition("plan", name, source)
    return Library(definitions, imports)


def read_library(package: str, modules: Iterable[str]) -> Library:
    """The library that is the modules of a package, and its module `written`."""
    definitions: dict[str, Definition] = {}
    imports: dict[str, str] = {}
    for module in (*modules, "written"):
        file = files(package).joinpath(f"{module}.py")
        if module == "written" and not file.is_file():
            continue
        source = file.read_text("utf-8")
        tree = ast.parse(source)
        lines = source.split("\n")
        for node in tree.body:
            if isinstance(node, ast.Import):
                imports |= {alias.name: f"import {alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                if not (node.module or "").startswith(("flowir", "__future__")):
                    imports |= {alias.name: f"from {node.module} import" for alias in node.names}
            elif (name := _name(node)) is not None and module != "written":
                decorators: list[ast.expr] = getattr(node, "decorator_list", [])
                first = min([node.lineno, *(d.lineno for d in decorators)])
                text = "\n".join(lines[first - 1 : node.end_lineno])
                assert name not in definitions, f"{package}: two definitions of {name}"
                definitions[name] = Definition(module, name, text)
    return Library(definitions, imports | {"Literal": "from typing import"})


def _name(node: ast.stmt) -> str | None:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.If():
            return "__main__"
        case _:
            return None


def names(plans: bool = False, found: Library | None = None) -> Set[str]:
    """Every name at the top of an emitted file that does not come from the workflow."""
    found = found or library(plans)
    groups = ("group", *(f"group_{number}" for number in range(2, 10)))
    return {*found.definitions, *found.imports, *WRITTEN, *groups, "ctx", "site", "config"}


def needed(
    source: str, also: Iterable[str], facts: Set[str], among: Library | None = None
) -> dict[str, Definition]:
    """The definitions that some source, and the names `also`, need; in the library's order.

    Args:
        facts: the words that apply to the workflow; see the library.
    """
    found: set[str] = set()
    open_ = [*names_in(source), *also]
    definitions = (among or library()).definitions
    while open_:
        name = open_.pop()
        if name in found or name not in definitions:
            continue
        found.add(name)
        open_ += names_in(applicable(definitions[name].source, facts))
    return {
        name: Definition(d.module, name, applicable(d.source, facts))
        for name, d in definitions.items()
        if name in found
    }


@lru_cache(maxsize=512)
def names_in(source: str) -> frozenset[str]:
    """The names that some source reads."""
    return frozenset(node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))


def applicable(source: str, facts: Set[str]) -> str:
    """The source without what does not apply, and without the marks; marks may be nested."""

    def kept(match: re.Match[str]) -> str:
        return match[2] if match[1] in facts else ""

    found, marks = source + "\n", 1
    while marks:
        found, marks = _MARKED.subn(kept, found)
    return found[:-1]


_MARKED = re.compile(r"^ *# <(\w+)>\n(.*?)^ *# </\1>\n", re.M | re.S)


def import_lines(source: str, among: Library | None = None) -> list[str]:
    """The import statements that some source needs, sorted as ruff does."""
    used = names_in(source)
    plain: list[str] = []
    by_module: dict[str, list[str]] = {}
    for name, statement in (among or library()).imports.items():
        if name not in used:
            continue
        if statement.startswith("import "):
            plain.append(statement)
        else:
            by_module.setdefault(statement, []).append(name)
    grouped: list[str] = []
    for statement, found in sorted(by_module.items()):
        ordered = sorted(found, key=_import_order)
        whole = f"{statement} {', '.join(ordered)}"
        spread = [f"{statement} (", *(f"{INDENT}{name}," for name in ordered), ")"]
        grouped += [whole] if len(whole) <= WIDTH else spread
    return [*sorted(plain), *grouped]


def _import_order(name: str) -> tuple[int, str]:
    """Constants, classes, functions."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name.lower()
