"""The library of emitted LangGraph files: that of the asyncio back end, and what is different."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from functools import cache

from flowir.backends.asyncio import extract
from flowir.backends.asyncio.extract import Library

MODULES = ("settings", "running", "maps", "subgraphs", "chat_models")
"""The modules of the library here."""

RESERVED = {"graph", "build", "builder", "state", "runtime", "State", "Output", "index"}
"""Names that emitted files have beside those of the library."""

_PACKAGE = "flowir.backends.langgraph.library"
_THIRD_PARTY = ("lang", "typing_extensions")


@cache
def library(plans: bool = False) -> Library:
    """All definitions, those of the asyncio back end first where nothing replaces them."""
    common, own = extract.library(plans), extract.read_library(_PACKAGE, MODULES)
    definitions = dict(common.definitions) | dict(own.definitions)
    main = definitions["main"]
    definitions["main"] = replace(main, source=main.source.replace("openai_llm", "chat_model_llm"))
    # Pydantic, and so LangGraph's schemas, cannot read typing's own before Python 3.12.
    imports = {**common.imports, **own.imports, "TypedDict": "from typing_extensions import"}
    imports |= {
        name: f"from {module} import"
        for module, names in {
            "langgraph.graph": ("END", "START", "StateGraph"),
            "langgraph.types": ("Command", "Overwrite"),
            "typing": ("Annotated",),
        }.items()
        for name in names
    }
    return Library(definitions, {**imports, "operator": "import operator"})


def names(plans: bool = False) -> Set[str]:
    """Every name at the top of an emitted file that does not come from the workflow."""
    return {*extract.names(plans, library(plans)), *RESERVED}


def import_lines(source: str, plans: bool = False) -> list[str]:
    """The import statements that some source needs: the standard library's, then all others."""
    blocks: tuple[list[str], list[str]] = ([], [])
    other = False
    for line in extract.import_lines(source, library(plans)):
        if line.startswith(("import ", "from ")):
            other = line.split()[1].startswith(_THIRD_PARTY)
        blocks[other].append(line)
    return [*blocks[0], *([""] if blocks[0] else []), *blocks[1]]
