"""Runs every benchmark and writes BENCHMARKS.md.

    python -m benchmarks [--data DIR] [--quick] [--seed N] [--only NAME ...] [--out FILE]

Each runs in a process of its own, and alone unless time is nothing to it; its figures and plots are
kept under out/benchmarks. One that fails is said to have failed, the others are written all the
same, and the exit code is 1. With a whole BENCHMARKS.md, what README.md quotes is written anew.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from benchmarks.document import Section, document, machine
from benchmarks.figures import read_json
from benchmarks.quoted import quoting

HERE = Path(__file__).parent

README = HERE.parent / "README.md"

KEPT = HERE.parent / "out" / "benchmarks"
"""Where the figures of each benchmark, and its plots, are kept."""

NAMES = (
    "cost_model",
    "search",
    "backends",
    "importer",
    "profiling",
    "profiling_adaptive",
    "evaluation",
    "plan",
    "prim",
    "serving",
    "serving_http",
    "fit_engines",
)
"""In the order of the page; those whose script is there are run."""

BESIDE = ("cost_model", "profiling_adaptive", "evaluation", "prim")
"""Run before the others, `AT_ONCE` at a time: they time nothing that they judge, or CPU, or what
takes longer for it."""

AT_ONCE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    there = [name for name in NAMES if (HERE / f"{name}.py").exists()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    given = os.environ.get("FLOWIR_DATA")
    words = "folder of the measured data; also FLOWIR_DATA"
    parser.add_argument("--data", type=Path, default=Path(given) if given else None, help=words)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=there, default=there)
    parser.add_argument("--out", type=Path, default=Path("BENCHMARKS.md"))
    asked = parser.parse_args(arguments)
    options = ["--quick"] if asked.quick else []
    options += ["--seed", str(asked.seed)]
    start = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        beside = {
            name: pool.submit(run, name, options, asked.data)
            for name in asked.only
            if name in BESIDE
        }
    sections = [
        beside[name].result() if name in beside else run(name, options, asked.data)
        for name in asked.only
    ]
    page = document(sections, machine(), date.today().isoformat(), time.monotonic() - start)
    asked.out.write_text(page, encoding="utf-8")
    print(f"\nwrote {asked.out}")
    failed = any(section.failure for section in sections)
    whole = asked.only == there and not asked.quick and not failed
    if whole and asked.out.resolve() == README.parent / "BENCHMARKS.md":
        README.write_text(quoting(README.read_text(encoding="utf-8"), page), encoding="utf-8")
        print("wrote what README.md quotes of it")
    return int(failed)


def run(name: str, options: Sequence[str], data: Path | None) -> Section:
    """Run one benchmark and read what it wrote; its output as it comes, or whole if `BESIDE`."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    shown = " ".join(["python", *command[1:], *(["--data DIR"] if data else [])])
    told = f"\n# {shown}"
    whole = name in BESIDE
    if not whole:
        print(told, flush=True)
    if data:
        command += ["--data", str(data.resolve())]
    path = KEPT / f"{name}.json"
    path.unlink(missing_ok=True)  # of an earlier run
    start = time.monotonic()
    process = subprocess.run(
        [*command, "--json", str(path)],
        cwd=HERE.parent,
        stdout=subprocess.PIPE if whole else None,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    if whole:
        print(f"{told}\n{process.stdout}", flush=True)
    print(f"{name} took {seconds:.0f} s", flush=True)
    sys.stderr.write(process.stderr)
    failure = ""
    if process.returncode:
        said = process.stderr.strip().splitlines() or ["it said nothing"]
        failure = f"exit code {process.returncode}: {said[-1]}"
    figures = read_json(path) if path.exists() else []
    return Section(name, about(HERE / f"{name}.py"), shown, figures, failure, seconds)


def about(script: Path) -> str:
    """The first sentence of a script's docstring."""
    said = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return " ".join(said.partition("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main())
