"""What the README says was measured stands in BENCHMARKS.md."""

from __future__ import annotations

import re

import pytest

from benchmarks.document import Section, document
from benchmarks.figures import Figure
from benchmarks.quoted import BEGIN, END, QUOTED, quoting, values
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "BENCHMARKS.md").read_text(encoding="utf-8")


def test_the_table_of_the_readme_is_that_of_the_page() -> None:
    """`make bench` writes both."""
    assert quoting(README, PAGE) == README
    assert len(QUOTED) > 10


def test_the_numbers_of_the_first_claim_are_those_of_the_page() -> None:
    name = r"HumanEval retry gpt-3.5-turbo-0613: \|accuracy - measured\|"
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
    (claim,) = re.findall(r"Retry `gpt-3.5-turbo-0613`.*?one such run", README, re.DOTALL)
    said = dict(re.findall(r"(predicted|measured|independence) ([\d.]+\d)", row))
    low, high = re.findall(r"one run \[([\d.]+), ([\d.]+)\]", row)[0]
    wanted = [said["independence"], said["measured"], said["predicted"], low, high]
    assert re.findall(r"\d\.\d+(?!-)", claim.replace("gpt-3.5", "")) == wanted


def test_a_figure_is_found_by_benchmark_and_name() -> None:
    page = document(
        [
            Section("a", "A.", "python a", [Figure("|x|", 1.5, "s", "<= 2", True, note="n")]),
            Section("b", "B.", "python b", [Figure("|x|", 3000, "", "", None, simulated=True)]),
        ],
        "m",
        "d",
    )
    assert values(page) == {
        ("a", "|x|"): ("1.5 s", "<= 2", False),
        ("b", "|x|"): ("3,000", "", True),
    }


def test_a_figure_that_is_missing_is_not_made_up() -> None:
    with pytest.raises(KeyError):
        quoting(f"before {BEGIN}{END} after", "# Benchmarks\n")
