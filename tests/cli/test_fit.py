"""`flowir fit` shows what was learned, keeps the fit, and answers mistakes with one message."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from flowir.cli.main import cli

HEADER = ("sub_agent", "model", "query_id", "correct", "latency_s", "input_tokens", "output_tokens")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty queries: `big` is right on 36 of them, `small` on 16."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("fit")
    with (folder / "observations.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for q in range(40):
            for model, right, seconds in (("big", q < 36, 2.0), ("small", q < 16, 1.0)):
                latency = seconds * np.exp(0.2 * rng.standard_normal())
                writer.writerow(("coder", model, q, int(right), latency, 100, 50 + q))
    (folder / "prices.csv").write_text(
        "model,input_per_mtok,output_per_mtok\nbig,1,10\nsmall,1,1\n"
    )
    return folder


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner(env={"FLOWIR_CACHE_DIR": str(folder / "cache")}).invoke(
        cli, ["fit", *arguments]
    )


@pytest.fixture(scope="module")
def printed(folder: Path) -> Result:
    profile, prices = str(folder / "observations.csv"), str(folder / "prices.csv")
    return run(folder, profile, "--prices", prices)


def test_the_table_has_a_line_per_configuration(printed: Result) -> None:
    assert printed.exit_code == 0, printed.output
    lines = printed.output.splitlines()
    for model in ("big", "small"):
        (line,) = (line for line in lines if line.split()[:2] == ["coder", model])
        assert line.split()[2:4] == ["40", "40"]
    assert "80 observations of 40 queries" in printed.output
    assert "checks:" in printed.output
    assert "fitting success" in printed.output  # progress, as plain lines


def test_json_says_the_same(printed: Result, folder: Path) -> None:
    profile, prices = str(folder / "observations.csv"), str(folder / "prices.csv")
    found = json.loads(run(folder, profile, "--prices", prices, "--json").stdout)
    rows = {row["model"]: row for row in found["rows"]}
    assert found["schema"] == 1
    for model, share, price in (("big", 0.9, 10), ("small", 0.4, 1)):
        rate, cost = rows[model]["rate"], rows[model]["cost_usd"]
        assert rate["low"] < share < rate["high"]
        assert rate["mean"] == pytest.approx(share, abs=0.08)
        # The mean of 50 to 89 tokens is 69.5; 100 tokens are read at 1 $ per million.
        assert cost["mean"] == pytest.approx((100 + 69.5 * price) * 1e-6, rel=0.1)


def test_a_fit_that_is_kept_needs_no_torch(printed: Result, folder: Path) -> None:
    program = (
        "import sys; from flowir.cli.fit import run; run(sys.argv[1], None, 0, False); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder / "observations.csv")],
        capture_output=True,
        text=True,
        env=os.environ | {"FLOWIR_CACHE_DIR": str(folder / "cache")},
    )
    assert done.returncode == 0, done.stderr
    assert "fitting" not in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("sub_agent,model,query_id,correct\ncoder,m,q,2\n", "correct"),
        ("sub_agent,model,query_id,correct,error\ncoder,m,q,,timeout\n", "no usable observation"),
    ],
)
def test_mistakes_are_one_message(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "rows.csv"
    if text is not None:
        path.write_text(text)
    found = run(tmp_path, str(path))
    assert found.exit_code == 1
    assert message in found.output
    assert "Traceback" not in found.output
