"""What the README quotes: a table of some figures of BENCHMARKS.md, written with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BEGIN = "<!-- figures of BENCHMARKS.md: `make bench` writes them -->\n"
END = "<!-- end of figures -->"


@dataclass(frozen=True)
class Quoted:
    """A figure, and what a reader who knows nothing of the benchmark calls it."""

    benchmark: str
    figure: str
    words: str


QUOTED: tuple[Quoted, ...] = ()


def quoting(readme: str, page: str) -> str:
    """The README with the figures of a page of benchmarks.

    Raises:
        KeyError: a figure that is quoted is not on the page.
    """
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{_table(page)}{END}{after}"


def _table(page: str) -> str:
    found = values(page)
    lines = ["| what | value | target | from |", "|---|---:|---|---|"]
    for one in QUOTED:
        value, target, simulated = found[one.benchmark, one.figure]
        source = f"`{one.benchmark}`" + (", simulated" if simulated else "")
        lines.append(f"| {one.words} | {value} | {target} | {source} |")
    return "\n".join(lines) + "\n"


def values(page: str) -> Mapping[tuple[str, str], tuple[str, str, bool]]:
    """Of each benchmark and figure on a page: its value, its target, whether it is simulated."""
    found = {}
    benchmark = ""
    for line in page.splitlines():
        if line.startswith("## "):
            benchmark = line[3:]
        elif line.startswith("| ") and not line.startswith("| figure"):
            cells = line.replace("\\|", "\0").strip("|").split("|")
            name, value, target, _, kind, _ = (cell.replace("\0", "|").strip() for cell in cells)
            found[benchmark, name] = (value, target, "simulated" in kind)
    return found
