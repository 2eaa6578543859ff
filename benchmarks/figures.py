"""A figure of a benchmark: how it is printed and what other tools read; the options all share.

    {"figures": [{"name", "value", "unit", "target", "ok", "simulated", "note"}]}

`target` is in words, `ok` is null where a figure is only reported, and `simulated` says that no
model was called: observations were made up, or runs were simulated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One line of the result, as other tools read it."""

    name: str
    value: float
    unit: str
    target: str
    ok: bool | None
    simulated: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether it met its target, in a word; nothing where there is none."""
        return {None: "", True: "ok", False: "MISSED"}[self.ok]


@dataclass
class Figures:
    """Collects figures, and prints each as it comes.

    Args:
        simulated: what the figures are unless one says otherwise.
    """

    simulated: bool = False
    found: list[Figure] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """What the next figures are about."""
        print(f"\n{text}")

    def add(
        self,
        name: str,
        value: float,
        unit: str = "",
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        note: str = "",
        simulated: bool | None = None,
    ) -> Figure:
        """A figure that is to be at most or at least so much; neither for one only reported."""
        target, ok = "", None
        if at_most is not None:
            target, ok = f"<= {at_most:g}", bool(value <= at_most)
        if at_least is not None:
            target, ok = f">= {at_least:g}", bool(value >= at_least)
        kind = self.simulated if simulated is None else simulated
        figure = Figure(name, float(value), unit, target, ok, kind, note)
        self.found.append(figure)
        print(line(figure), flush=True)
        return figure


def line(figure: Figure) -> str:
    """One line of the table that a person reads."""
    value = f"{figure.value:.4g}"
    return (
        f"  {figure.name:<66} {value:>10} {figure.unit:<6} {figure.target:<9} "
        f"{figure.verdict:<7} {figure.note}"
    ).rstrip()


def arguments(description: str | None, *, data: bool = False) -> argparse.ArgumentParser:
    """The options of every benchmark; `data` says that it cannot do without the measured data."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words = "folder of the measured data" + ("" if data else "; nothing here needs it")
    parser.add_argument("--data", type=Path, required=data, help=words)
    parser.add_argument("--quick", action="store_true", help="less of everything, under a minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


def write_json(figures: Sequence[Figure], path: Path) -> None:
    """Write figures where other tools read them."""
    content = {"figures": [asdict(figure) for figure in figures]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> list[Figure]:
    """The figures that a benchmark wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [Figure(**figure) for figure in content["figures"]]
