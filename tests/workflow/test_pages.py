"""The Python of the README and of docs/python.md does what the pages say, in a real notebook."""

from __future__ import annotations

import re
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from flowir.dialects import flow
from flowir.workflow import Workflow
from tests.conftest import ROOT
from tests.strategies_ir import parse
from tests.workflow.test_tracing import plain_text

pytestmark = pytest.mark.slow

PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/python.md")
}


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def notebook(server: str, tmp_path_factory: Any) -> list[Any]:
    """The cells of both pages, run from top to bottom against a server on loopback."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    folder: Path = tmp_path_factory.mktemp("notebook")
    example = files("flowir.examples") / "code_repair"
    for source, name in (
        ("observations.synthetic.csv", "observations.csv"),
        ("prices.csv", "prices.csv"),
    ):
        shutil.copy(str(example / source), folder / name)
    v4 = nbformat.v4
    cells = [v4.new_code_cell(source) for page in PAGES for source in blocks(page, "python")]
    # A model client without arguments goes to the endpoint that the environment names.
    where = f"{{'OPENAI_BASE_URL': '{server}/v1', 'OPENAI_API_KEY': 'none'}}"
    cells.insert(0, v4.new_code_cell(f"import os; os.environ |= {where}"))
    book = v4.new_notebook(cells=cells)
    nbclient.NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return book.cells[1:]


def output(cells: list[Any], source: str) -> dict[str, Any]:
    """What the cell that ends in a line shows: its representations, and what it printed."""
    found = [cell for cell in cells if cell.source.rstrip().endswith(source)]
    assert len(found) == 1
    shown: dict[str, Any] = {}
    for part in found[0].outputs:
        if part.output_type == "stream" and part.name == "stdout":
            shown["printed"] = shown.get("printed", "") + part.text
        elif part.output_type in ("execute_result", "display_data"):
            shown |= part.data
    return shown


@pytest.mark.slow
def test_a_notebook_shows_fronts_tables_plots_and_drawings(notebook: list[Any]) -> None:
    front = output(notebook, "\nfront")
    assert front["text/html"].count("<tr>") > 3
    frame = output(notebook, '"configuration"]]')
    assert "<table" in frame["text/html"]
    assert frame["text/html"].count("<tr") == front["text/html"].count("<tr>") + 1
    assert output(notebook, 'front.plot("cost_usd", "accuracy")')["image/png"]
    compiled = next(cell for cell in notebook if cell.source.rstrip().endswith("\ncompiled"))
    shown = compiled.outputs[0].data
    assert "</svg>" in shown["image/svg+xml"]
    assert "config <" in shown["text/plain"]


def test_a_notebook_runs_what_it_compiled(notebook: list[Any]) -> None:
    """The server says what it was asked, so the answer has the prompt in it."""
    printed = output(notebook, "print(result.value, result.usage)")["printed"]
    assert "Complete this function." in printed
    simulated = output(notebook, 'simulated.mean_latency_s:.2f} s")')["printed"]
    assert re.fullmatch(r"simulated: \d+\.\d% right, \d+\.\d\d s\n", simulated)


def test_the_error_that_the_page_shows_is_the_one_there_is(notebook: list[Any]) -> None:
    printed = output(notebook, "print(error)")["printed"]
    (shown,) = blocks("docs/python.md", "text")
    place, message = printed.split(": ", 1)
    assert message == shown
    assert place.endswith(":6")


def test_the_ir_that_the_readme_shows_is_that_of_its_python() -> None:
    source = blocks("README.md", "python")[0].split("\n\n\nfront = ")[0]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(source, "README.md", "exec"), names)
    traced = names["code_repair"]
    assert isinstance(traced, Workflow)
    assert plain_text(traced.to_ir().module) == plain_text(parse(blocks("README.md", "mlir")[0]))


def test_the_readme_of_the_examples_counts_what_there_is(capsys: Any) -> None:
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(source, {})
    printed = capsys.readouterr().out
    assert printed.startswith("builtin.module")
    counts = re.search(r"The (\d+), (\d+)\s+and (\d+) structures", page)
    assert counts is not None
    for count, name in zip(counts.groups(), ("math", "hotpotqa", "livecodebench"), strict=True):
        text = (ROOT / "examples" / "flowcompile" / f"{name}.mlir").read_text()
        (choice,) = (op for op in parse(text).walk() if isinstance(op, flow.AlternativesOp))
        assert len(choice.cases) == int(count)


def test_the_table_of_constructs_has_every_name() -> None:
    import flowir.workflow

    constructs = {
        name
        for name in flowir.workflow.__all__
        if getattr(getattr(flowir.workflow, name), "__module__", "")
        in ("flowir.workflow.constructs", "flowir.workflow.plans")
    }
    table = PAGES["docs/python.md"].split("## Constructs")[1].split("```")[0]
    assert constructs == {name for name in constructs if f"`{name}(" in table}
