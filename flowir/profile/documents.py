"""JSON documents that hold observations in somebody else's form: which one it is, and its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowir.errors import ProfileError
from flowir.profile import spans
from flowir.profile.problems import open_text

KNOWN = (
    "OpenTelemetry spans (OTLP JSON: resourceSpans), LangSmith runs (run_type), MLflow traces "
    "(info, data), FlowCompile detailed_results.json (agent, configuration, all_runs)"
)


def document_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of a JSON document, or of one document per line, numbered from 1.

    Raises:
        ProfileError: not JSON, of no known form, or with a field missing (which one is said).
    """
    parts = _parsed(path)
    try:
        rows = _rows(parts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise ProfileError(f"{path}: not as its form demands ({what})") from None
    if rows is None:
        raise ProfileError(f"{path}: of no known form; read are {KNOWN}")
    yield from enumerate(rows, start=1)


def is_document(first: Mapping[str, Any]) -> bool:
    """Whether a line of a `.jsonl` file is a trace rather than an observation."""
    return "resourceSpans" in first or "run_type" in first or {"info", "data"} <= first.keys()


def _parsed(path: Path) -> list[Any]:
    with open_text(path) as file:
        try:
            text = file.read()
        except UnicodeDecodeError:
            raise ProfileError(f"{path}: not UTF-8 text; save the file as UTF-8") from None
    if not text.strip():
        raise ProfileError(f"{path}: the file is empty; read are {KNOWN}")
    try:
        whole = json.loads(text)
        return whole if isinstance(whole, list) else [whole]
    except ValueError as error:
        whole_error = error
    parts = []
    for line in text.splitlines():
        if line.strip():
            try:
                parts.append(json.loads(line))
            except ValueError:
                raise ProfileError(f"{path}: not JSON ({whole_error})") from None
    return parts


def _rows(parts: list[Any]) -> list[dict[str, Any]] | None:
    if not parts or not all(isinstance(part, dict) for part in parts):
        return None
    if all("resourceSpans" in part for part in parts):
        return spans.calls(span for part in parts for span in spans.otlp_spans(part))
    if all("run_type" in part for part in parts):
        return spans.calls(spans.langsmith_spans(parts))
    if all({"info", "data"} <= part.keys() for part in parts):
        return spans.calls(span for part in parts for span in spans.mlflow_spans(part))
    if len(parts) == 1 and _is_flowcompile(parts[0]):
        return list(flowcompile_rows(parts[0]))
    return None


def _is_flowcompile(document: Mapping[str, Any]) -> bool:
    return bool(document) and all(
        isinstance(configurations, dict)
        and all(
            isinstance(entries, list) and all("all_runs" in entry for entry in entries)
            for entries in configurations.values()
        )
        for configurations in document.values()
    )


def flowcompile_rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of FlowCompile's profiling results: agent -> configuration -> entries of repeated runs.

    A query is the problem's text, by a hash of it: agents that worked on one problem share it.
    Where an F1 score was kept it is the grade. Latency is not in the file: it comes from elsewhere.
    """
    for agent, configurations in document.items():
        for entries in configurations.values():
            for number, entry in enumerate(entries):
                problem = str(entry.get("problem", entry.get("sample_timestamp", number)))
                query = hashlib.blake2b(problem.encode(), digest_size=8).hexdigest()
                for repeat, run in enumerate(entry["all_runs"]):
                    grade = run.get("f1_score")
                    yield {
                        "sub_agent": agent,
                        "model": entry["model"],
                        "budget": entry.get("thinking_budget"),
                        "query_id": query,
                        "sample": f"{number}.{repeat}",
                        "correct": float(run["is_correct"] if grade is None else grade),
                        "input_tokens": run.get("input_tokens"),
                        "output_tokens": run.get("output_tokens"),
                        "error": "1" if run.get("error") else "",
                    }
