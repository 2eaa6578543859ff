"""The page of all figures: nothing is lost, misses come first, and a failure is no silence."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import benchmarks.__main__ as runner
from benchmarks.__main__ import AT_ONCE, BESIDE, NAMES, about, main
from benchmarks.document import Section, document, machine
from benchmarks.figures import Figure, Figures, read_json, write_json

ROOT = Path(__file__).parents[2]

FIGURES = (
    Figure("plain", 0.01234567, "s", "", None),
    Figure("|accuracy - measured|", 0.5, "", "<= 0.02", False),
    Figure("speed-up", 1541.2, "×", ">= 100", True, simulated=True, note="of a | b"),
)


def rows_of(page: str) -> list[list[str]]:
    """Cells of every row of every table, as a reader of Markdown splits them."""
    found = []
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith("| figure"):
            cells = line.replace("\\|", "\0").strip("|").split("|")
            found.append([cell.replace("\0", "|").strip() for cell in cells])
    return found


def test_every_figure_is_a_row_with_its_value_target_verdict_and_kind() -> None:
    page = document(
        [Section("search", "About.", "python x", FIGURES)], "a machine", "2030-01-02", 65.0
    )
    assert rows_of(page) == [
        ["plain", "0.01235 s", "", "", "", ""],
        ["|accuracy - measured|", "0.5", "<= 0.02", "**no**", "", ""],
        ["speed-up", "1,541 ×", ">= 100", "yes", "simulated, ratio", "of a | b"],
    ]
    assert "2030-01-02, a machine; 1 min 5 s." in page
    assert "    python x" in page


def test_what_was_missed_and_what_failed_is_said_before_the_tables() -> None:
    failed = Section("plan", "About.", "python y", failure="exit code 2: no data")
    page = document([Section("search", "About.", "python x", FIGURES), failed], "m", "d")
    head = page.partition("## search")[0]
    assert "1 of 2 targets are met." in head
    assert "search: |accuracy - measured|: 0.5, target <= 0.02" in head
    assert "plan: exit code 2: no data" in head


def test_the_record_is_the_one_other_tools_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = Figures(simulated=True)
    figures.add("low", 3, "ms", at_most=20)
    figures.add("high", 96.5, "%", at_least=97, note="of all")
    figures.add("told", 1, simulated=False)
    write_json(figures.found, tmp_path / "new" / "figures.json")
    content = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert content["figures"][0] == {
        "name": "low",
        "value": 3.0,
        "unit": "ms",
        "target": "<= 20",
        "ok": True,
        "simulated": True,
        "note": "",
    }
    assert [f["ok"] for f in content["figures"]] == [True, False, None]
    assert [f["simulated"] for f in content["figures"]] == [True, True, False]
    assert read_json(tmp_path / "new" / "figures.json") == figures.found
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["low", "high", "told"]
    assert "MISSED" in printed[1]
    assert printed[1].endswith("of all")


def test_the_machine_is_described_without_its_name() -> None:
    import platform

    assert platform.node() not in machine() or not platform.node()
    assert "cores" in machine()


def test_a_benchmark_that_cannot_run_is_on_the_page_and_in_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLOWIR_DATA", raising=False)
    monkeypatch.setattr(runner, "KEPT", tmp_path)
    out = tmp_path / "page.md"
    assert main(["--only", "cost_model", "--quick", "--out", str(out)]) == 1
    assert "cost_model: exit code 2" in out.read_text()
    assert "--data" in out.read_text()


def test_what_runs_at_the_same_time_keeps_its_place_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(AT_ONCE, timeout=60)

    def run(name: str, *_: object) -> Section:
        if name in BESIDE:
            both.wait()
        return Section(name, "About.", "python z")

    monkeypatch.setattr(runner, "run", run)
    out = tmp_path / "page.md"
    assert main(["--out", str(out)]) == 0
    there = [name for name in NAMES if (ROOT / "benchmarks" / f"{name}.py").exists()]
    heads = [line[3:] for line in out.read_text().splitlines() if line.startswith("## ")]
    assert heads == there


@pytest.mark.parametrize(
    "name", [name for name in NAMES if (ROOT / "benchmarks" / f"{name}.py").exists()]
)
def test_every_benchmark_takes_the_same_options_and_says_what_it_measures(name: str) -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for option in ("--data", "--quick", "--seed", "--json"):
        assert option in help_text
    assert about(ROOT / "benchmarks" / f"{name}.py").endswith((".", "?"))
