"""BENCHMARKS.md: every figure of a run, with what it took to get it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure

PREFACE = """\
Written by `make bench`; a later run replaces it. Values are medians where a script repeats what it
measures. A value in × is a ratio of two things measured side by side in the same run, and says more
on another machine than seconds do. *simulated* marks figures for which no model was called:
observations were synthetic or made up, or runs were simulated. Plots are left in out/benchmarks."""


@dataclass(frozen=True)
class Section:
    """One benchmark: what ran, and what came out.

    Attributes:
        about: what it measures, one sentence.
        command: what repeats it.
        figures: in order.
        failure: why there are none, or not all; empty where it ran through.
        seconds: how long it took, perhaps beside another one.
    """

    name: str
    about: str
    command: str
    figures: Sequence[Figure] = ()
    failure: str = ""
    seconds: float = 0.0


def document(sections: Sequence[Section], machine: str, date: str, seconds: float = 0.0) -> str:
    """The page; `seconds` is how long all of it took."""
    every = [figure for section in sections for figure in section.figures]
    judged = [figure for figure in every if figure.ok is not None]
    missed = [
        f"- {section.name}: {figure.name}: {number(figure)}, target {figure.target}"
        for section in sections
        for figure in section.figures
        if figure.ok is False
    ]
    failed = [f"- {s.name}: {s.failure}" for s in sections if s.failure]
    lines = ["# Benchmarks", "", PREFACE, "", f"{date}, {machine}; {_minutes(seconds)}.", ""]
    lines += [f"{len(judged) - len(missed)} of {len(judged)} targets are met.", ""]
    if missed:
        lines += ["Missed:", "", *missed, ""]
    if failed:
        lines += ["Did not run through:", "", *failed, ""]
    for section in sections:
        lines += _section(section)
    return "\n".join(lines)


def _section(section: Section) -> list[str]:
    lines = [f"## {section.name}", "", section.about, "", f"    {section.command}", ""]
    lines += [f"It took {_minutes(section.seconds)}.", ""]
    if section.failure:
        lines += [f"Did not run through: {section.failure}", ""]
    if not section.figures:
        return lines
    lines += ["| figure | value | target | met | | |", "|---|---:|---|---|---|---|"]
    for figure in section.figures:
        met = {None: "", True: "yes", False: "**no**"}[figure.ok]
        cells = (figure.name, number(figure), figure.target, met, _kind(figure), figure.note)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def number(figure: Figure) -> str:
    """The value with its unit, four digits."""
    value = figure.value
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{digits} {figure.unit}".strip()


def _kind(figure: Figure) -> str:
    kinds = ("simulated" if figure.simulated else "", "ratio" if figure.unit == "×" else "")
    return ", ".join(kind for kind in kinds if kind)


def machine() -> str:
    """What the figures were measured on, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    words = (
        _processor(),
        f"{os.cpu_count()} cores",
        f"{memory:.0f} GiB",
        platform.system(),
        f"Python {platform.python_version()}",
    )
    return ", ".join(words)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
