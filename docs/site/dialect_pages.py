"""A page for a dialect: every operation, attribute and type, as its definition has it.

Examples are operations of lit_tests/dialects/NAME/ops.mlir, which the tests read and print: they
are known to be right.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from xdsl.dialects.builtin import ArrayOfConstraint
from xdsl.dialects.utils.enum_attribute import EnumAttribute
from xdsl.ir import Attribute, Data, Dialect, Operation, TypeAttribute
from xdsl.irdl import (
    AllOf,
    AnyAttr,
    AnyOf,
    BaseAttr,
    EqAttrConstraint,
    OptionalDef,
    ParamAttrConstraint,
    RangeLengthConstraint,
    RangeOf,
    TypeVarConstraint,
    VariadicDef,
)
from xdsl.parser import Parser
from xdsl.traits import HasAncestor, HasParent, OpTrait

from flowir.universe import context

ROOT = Path(__file__).resolve().parents[2]
SEGMENTS = re.compile(r"(operand|region|result)SegmentSizes")
"""Properties that are bookkeeping of how operands and regions are grouped."""


def dialect_page(dialect: Dialect) -> str:
    """The Markdown of a dialect."""
    # The object has the dialect's docstring no more; the module that makes it does.
    module = sys.modules[next(_definitions(dialect)).__module__]
    home = sys.modules.get(f"flowir.dialects.{dialect.name}", module)
    examples = first_of_each(dialect.name)
    parts = [f"# The {dialect.name} dialect", prose(home.__doc__)]
    if operations := sorted(dialect.operations, key=lambda op: op.name):
        parts.append("## Operations")
        for operation in operations:
            parts += operation_section(operation, examples.get(operation.name))
    attributes = sorted(dialect.attributes, key=lambda attribute: attribute.name)
    for title, wanted in (("Types", True), ("Attributes", False)):
        chosen = [a for a in attributes if issubclass(a, TypeAttribute) == wanted]
        if chosen:
            parts.append(f"## {title}")
            for attribute in chosen:
                parts += attribute_section(attribute)
    return "\n\n".join(parts) + "\n"


def _definitions(dialect: Dialect) -> Iterator[type]:
    yield from dialect.operations
    yield from dialect.attributes


def first_of_each(name: str) -> dict[str, str]:
    """By operation, the first one in the dialect's tests, those of all operations first."""
    found: dict[str, str] = {}
    paths = (ROOT / "lit_tests" / "dialects" / name).glob("*.mlir")
    for path in sorted(paths, key=lambda path: (path.name != "ops.mlir", path.name)):
        if "invalid" in path.name:
            continue
        text = path.read_text(encoding="utf-8")
        for part in text.split("// -----") if "--split-input-file" in text else [text]:
            for op in Parser(context(), part).parse_module().walk():
                found.setdefault(op.name, str(op))
    return found


def operation_section(operation: type[Operation], example: str | None) -> list[str]:
    """One operation: what it means, an example, its parts."""
    definition: Any = operation.get_irdl_definition()  # type: ignore[attr-defined]
    parts = [f"### {operation.name}", prose(operation.__doc__)]
    if example is not None:
        parts.append(f"In the tests:\n\n```mlir\n{example}\n```")
    if definition.assembly_format is not None:
        parts.append(f"Assembly format: `{definition.assembly_format}`")
    rows = []
    for kind in ("operands", "results", "properties", "attributes", "regions", "successors"):
        held = getattr(definition, kind)
        entries = held.items() if isinstance(held, dict) else held
        for name, part in entries:
            if not SEGMENTS.fullmatch(name):
                rows.append((kind.removesuffix("s").replace("propertie", "property"), name, part))
    if rows:
        lines = [f"| {kind} | `{name}` | {number(p)} | {value(p)} |" for kind, name, p in rows]
        parts.append("\n".join(["| part | name | how many | what |", "|---|---|---|---|", *lines]))
    if traits := ", ".join(trait_text(trait) for trait in definition.traits):
        parts.append(f"Traits: {traits}")
    return parts


def attribute_section(attribute: type[Attribute]) -> list[str]:
    """One attribute or type: what it means, and its parameters."""
    sign = "!" if issubclass(attribute, TypeAttribute) else "#"
    parts = [f"### {sign}{attribute.name}", prose(attribute.__doc__)]
    if issubclass(attribute, EnumAttribute):
        words = ", ".join(f"`{case.value}`" for case in enum_of(attribute))
        parts.append(f"One of {words}.")
    elif not issubclass(attribute, Data):
        definition: Any = attribute.get_irdl_definition()  # type: ignore[attr-defined]
        lines = [f"| `{name}` | {constraint(p.constr)} |" for name, p in definition.parameters]
        if lines:
            parts.append("\n".join(["| parameter | what |", "|---|---|", *lines]))
    return parts


def enum_of(attribute: type[EnumAttribute[Any]]) -> type[Enum]:
    """The words that an enumeration has."""
    base = next(b for b in attribute.__orig_bases__ if get_args(b))  # type: ignore[attr-defined]
    found: type[Enum] = get_args(base)[0]
    return found


def number(part: Any) -> str:
    """How many of a part there may be."""
    if isinstance(part, OptionalDef):
        return "0 or 1"
    return "any" if isinstance(part, VariadicDef) else "1"


def value(part: Any) -> str:
    """What a part may be, and what it is where nothing is said."""
    constr = getattr(part, "constr", None)
    what = "one block" if constr is None else constraint(constr)
    default = getattr(part, "default_value", None)
    return what if default is None else f"{what}; `{default}` if left out"


def constraint(constr: Any) -> str:
    """A constraint in words."""
    match constr:
        case AnyAttr():
            return "anything"
        case BaseAttr():
            return f"`{named(constr.attr)}`"
        case EqAttrConstraint():
            return f"`{constr.attr}`"
        case ArrayOfConstraint():
            return f"list of {constraint(constr.elem_range_constraint)}"
        case RangeOf():
            return constraint(constr.constr)
        case RangeLengthConstraint():
            return constraint(constr.constraint)
        case AnyOf():
            return " or ".join(constraint(one) for one in constr.attr_constrs)
        case AllOf():
            return " and ".join(constraint(one) for one in constr.attr_constrs)
        case ParamAttrConstraint():
            return f"`{named(constr.base_attr)}`"
        case TypeVarConstraint():
            return constraint(constr.base_constraint)
    # SymbolNameConstraint and the like: their names say it.
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(constr).__name__.removesuffix("Constraint"))
    return words.lower()


def named(attribute: type[Attribute]) -> str:
    """An attribute's name as it is written, where it is one of ours; else its class."""
    name = getattr(attribute, "name", None)
    if isinstance(name, str) and name.partition(".")[0] in ("flow", "dse", "plan", "prim"):
        return f"{'!' if issubclass(attribute, TypeAttribute) else '#'}{name}"
    return attribute.__name__


def trait_text(trait: OpTrait) -> str:
    """The name of a trait, with what it is about."""
    name = type(trait).__name__
    if isinstance(trait, HasParent | HasAncestor):
        return f"{name}({', '.join(f'`{op.name}`' for op in trait.op_types)})"
    return name


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: what is indented is code, Sphinx's roles are names."""
    text = inspect.cleandoc(docstring or "")
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
    return "\n".join(blocks(text.splitlines()))


def blocks(lines: Iterable[str]) -> Iterator[str]:
    """Indented blocks between fences; `Attributes:` and the like stay lists of names."""
    inside = False
    held: list[str] = []
    previous = ""
    for line in lines:
        code = line.startswith("    ") and (inside or previous == "")
        if code and not inside:
            yield "```mlir"
            inside = True
        if inside and line and not code:
            yield "```"
            yield ""
            held.clear()
            inside = False
        if inside and not line:
            held.append("")
            continue
        yield from held
        held.clear()
        yield line.removeprefix("    ") if inside else line
        previous = line
    if inside:
        yield "```"
