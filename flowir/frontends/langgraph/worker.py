"""The process that imports a user's module: `python -m … ANSWER REQUEST`, for `loading` alone."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from flowir.frontends.langgraph.facts import GraphImportError
from flowir.frontends.langgraph.importing import facts_document, from_langgraph, observed_graph
from flowir.frontends.langgraph.lints import lints
from flowir.frontends.langgraph.reading.builder import read_graph
from flowir.frontends.langgraph.runs.recording import read_inputs, record


def main(answer: str, request: str) -> None:
    asked = json.loads(request)
    try:
        found = answer_to(asked)
    except GraphImportError as error:
        found = {"error": str(error)}
    draft = Path(f"{answer}.part")
    draft.write_text(json.dumps(found), encoding="utf-8")
    draft.replace(answer)
    sys.stdout.flush()
    os._exit(0)  # threads of the user's module do not keep this process alive


def answer_to(asked: dict[str, Any]) -> dict[str, Any]:
    """The fields of `Loaded`."""
    target = asked["target"]
    place, _, name = target.rpartition(":")
    module = imported(place)
    if not hasattr(module, name):
        raise GraphImportError(f"{place} has no {name!r}{_graphs(module)}")
    compiled = getattr(module, name)
    shown = f"{module.__name__}:{name}"
    failed: list[str] = []
    if asked["record"] is not None:
        if not hasattr(compiled, "ainvoke"):
            read_graph(compiled, shown)  # says what it is instead
        failed = record(compiled, read_inputs(asked["record"]), asked["trace"], shown)
    if asked["only_facts"]:
        facts, _, notes = observed_graph(compiled, shown, asked["trace"])
        return {
            "ir": "",
            "adapters": "",
            "observations": "",
            "facts": facts_document(facts),
            "questions": [],
            "lints": list(map(str, lints(facts))),
            "notes": [*facts.unknown, *failed, *notes],
        }
    result = from_langgraph(
        compiled,
        name=shown,
        adapters=asked["adapters"],
        bounds=asked["bounds"],
        inputs=tuple(asked["inputs"]),
        result=asked["result"],
        trace=asked["trace"],
    )
    return {
        "ir": result.text,
        "adapters": result.adapters,
        "observations": result.observations,
        "facts": facts_document(result.facts),
        "questions": list(map(str, result.questions)),
        "lints": list(map(str, result.lints)),
        "notes": [*result.facts.unknown, *failed, *result.notes],
    }


def imported(place: str) -> ModuleType:
    """A module by its name, or by its file.

    Raises:
        GraphImportError: it is not there, or it fails; says where.
    """
    sys.path.insert(0, str(Path.cwd()))
    name = place
    if place.endswith(".py"):
        name, folder = _module_of(place)
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except BaseException as error:
        raise GraphImportError(f"{place} fails on import: {_where(error, name)}") from error


def _module_of(place: str) -> tuple[str, Path]:
    """The name under which a file is imported, and the folder from which."""
    path = Path(place).resolve()
    if not path.is_file():
        raise GraphImportError(f"there is no file {place}")
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if not all(name.isidentifier() for name in names):
        raise GraphImportError(
            f"{place} cannot be imported by its name, which the tools' file does; rename it to an "
            "identifier"
        )
    if names[0] in sys.modules and not _is_in(sys.modules[names[0]], folder):
        raise GraphImportError(
            f"{place} has the name of the module {names[0]!r}, which is imported already; rename it"
        )
    return ".".join(names), folder


def _is_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(folder)


def _where(error: BaseException, name: str) -> str:
    """An error, and the last line of the user's code that it came through."""
    said = f"{type(error).__name__}: {error}".strip(": ")
    if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
        return f"{said}; run flowir where it can be imported, or give its file"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    return f"{own[-1].filename}:{own[-1].lineno}: {said}" if own else said


def _graphs(module: ModuleType) -> str:
    from langgraph.graph.state import CompiledStateGraph

    names = sorted(k for k, v in vars(module).items() if isinstance(v, CompiledStateGraph))
    return f"; it has the graphs {', '.join(names)}" if names else "; it has no compiled graph"


if __name__ == "__main__":
    main(*sys.argv[1:])
