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


QUOTED = (
    Quoted(
        "cost_model",
        "HumanEval retry gpt-3.5-turbo-0613: |accuracy - measured|",
        "retries that were really run (HumanEval): error of the predicted accuracy",
    ),
    Quoted(
        "cost_model",
        "HumanEval retry gpt-3.5-turbo-0613: |accuracy - measured| (independence)",
        "the same where success is taken to be independent",
    ),
    Quoted(
        "cost_model",
        "concise CoT: vote@5, mean absolute error over 8 cells",
        "votes of five that were really taken (GPT-3.5 and GPT-4): error of the predicted accuracy",
    ),
    Quoted(
        "cost_model",
        "concise CoT: vote@5, mean absolute error over 8 cells (independence)",
        "the same where success is taken to be independent",
    ),
    Quoted("cost_model", "fit of 5000 observations", "fit of 5,000 observations"),
    Quoted(
        "search",
        "math, as fitted: search",
        "exact mean-field front of 7,240,860 configurations",
    ),
    Quoted(
        "search",
        "math, as fitted: our enumeration, time over ours",
        "enumerating them, time over that",
    ),
    Quoted(
        "search",
        "in a tree of joins, as drawn: search",
        "exact mean-field front of 40 agents with 100 settings each",
    ),
    Quoted(
        "search",
        "three objectives: recall of the true front, mean",
        "points of the true front that local search finds, three objectives, full model",
    ),
    Quoted(
        "search",
        "optuna-tpe, 3000 evaluations: normalised hypervolume, median",
        "Optuna's TPE after 3,000 evaluations: hypervolume, of the best front known",
    ),
    Quoted(
        "search",
        "flowir, until no exchange improves it: normalised hypervolume",
        "ours, until no exchange improves it",
    ),
    Quoted(
        "backends",
        "map of 8: emitted over by hand",
        "processor time of an emitted program, over the same by hand (a map of eight)",
    ),
    Quoted(
        "importer",
        "determinable edges recovered",
        "edges of imported LangGraph graphs that are recovered",
    ),
    Quoted(
        "plan",
        "Movie: over sequential",
        "LLMCompiler: plans over one call after another (Movie)",
    ),
    Quoted(
        "prim",
        "naive RAG, Poisson, high: over sequential, per-invocation batching",
        "Teola: primitives over modules one after another (naive RAG, high load)",
    ),
    Quoted(
        "serving",
        "mix, poisson, .95: sustained",
        "Aragog: completions over arrivals at 95 % of what the cluster can physically do",
    ),
    Quoted(
        "serving_http",
        "1 call, loopback: added per request, p50",
        "what the server adds to a request, p50",
    ),
)


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
