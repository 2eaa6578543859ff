"""`flowir import`: a LangGraph graph as flow IR, with what is not known of it as questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from flowir.files import write_atomically
from flowir.frontends.langgraph import GraphImportError, Loaded, load_graph


def run(
    target: str,
    out: str | None,
    bounds: Sequence[str],
    inputs: Sequence[str],
    result: str | None,
    only_facts: bool,
    trace: str | None,
    record: str | None,
    time_limit_s: float,
) -> None:
    """Import a graph, write both files, and say what was found.

    Raises:
        GraphImportError: the graph cannot be loaded or is refused; nothing is written.
    """
    if out is None and not only_facts:
        raise GraphImportError("where to? give -o workflow.mlir, or --facts to see what is read")
    adapters = "graph_tools" if out is None else _adapters_name(Path(out))
    loaded = load_graph(
        target,
        adapters=adapters,
        bounds=_bounds(bounds),
        inputs=tuple(inputs),
        result=result,
        only_facts=only_facts,
        trace=trace,
        record=record,
        time_limit_s=time_limit_s,
    )
    if only_facts:
        _print_facts(loaded.facts)
    else:
        assert out is not None
        beside = Path(out).with_name(f"{adapters}.py")
        files = {beside: loaded.adapters, Path(out): loaded.ir}
        calls = Path(out).with_name(f"{Path(out).stem}_calls.csv")
        if loaded.observations:
            files[calls] = loaded.observations
        _write(files)
        click.echo(f"wrote {out}, and {beside} with the code of its tools")
        if loaded.observations:
            click.echo(f"wrote {calls}: the model calls of the runs, as a profile")
    _print_rest(loaded)


def _adapters_name(out: Path) -> str:
    name = re.sub(r"\W", "_", out.stem)
    return f"{name if name[:1].isalpha() or name[:1] == '_' else '_' + name}_tools"


def _bounds(given: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in given:
        name, _, number = text.rpartition("=")
        if not name or not number.isdecimal():
            raise GraphImportError(f"--bound {text} is not of the form NODE=N")
        found[name] = int(number)
    return found


def _write(files: dict[Path, str]) -> None:
    """All of the files or, where one cannot be written, none that was not there before."""
    written: list[Path] = []
    for path, text in files.items():
        new = not path.exists()
        try:
            write_atomically(path, text)
        except OSError as error:
            for other in written:
                other.unlink(missing_ok=True)
            raise GraphImportError(f"{path} cannot be written: {error.strerror}") from None
        if new:
            written.append(path)


def _print_facts(facts: dict[str, Any]) -> None:
    for node in facts["nodes"]:
        models = ", ".join(model["name"] for model in node["models"])
        place = f"{node['place']['file']}:{node['place']['line']}"
        click.echo(f"node {node['name']}  {models or node['kind']}  {place}")
    for edge in facts["edges"]:
        click.echo(f"edge {edge['source']} -> {edge['target']}  {edge['kind']}, {edge['via']}")
    for join in facts["joins"]:
        how = "waits for all of" if join["waits"] else "runs for each of"
        click.echo(f"join {join['target']} {how} {', '.join(join['sources'])}")
    for loop in facts["loops"]:
        bound = "no bound" if loop["bound"] is None else f"at most {loop['bound']}"
        click.echo(f"loop {', '.join(loop['members'])}  {bound}")


def _print_rest(loaded: Loaded) -> None:
    _section("questions", loaded.questions)
    _section("notes", loaded.notes)
    _section("lints", loaded.lints)


def _section(title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        click.echo(f"\n{title}:")
    for text in found:
        click.echo(f"  {text}")
