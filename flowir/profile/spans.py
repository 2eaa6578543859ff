"""Traces as observations: one row per call of a model.

Read are OpenTelemetry spans (OTLP JSON; GenAI or OpenInference attributes), LangSmith run exports
and MLflow traces. Each becomes a :class:`Span`; what follows is the same for all.

A call is an outermost model span: clients that retry wrap the attempts in one span, which is one
call; its latency is `flowir.latency_s` where that is told, else the duration of the span. Spans of
graph nodes are not calls. A span says nothing about being right unless something recorded it:
`flowir.correct` (or feedback named correctness, in LangSmith and MLflow), with `flowir.query.id` to
tell queries apart; otherwise each trace is a query of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Attributes = Mapping[str, Any]

AGENT = ("gen_ai.agent.name", "flowir.node.id", "langgraph_node")
MODEL = ("gen_ai.request.model", "llm.model_name", "mlflow.llm.model", "gen_ai.response.model")
BUDGET = ("gen_ai.request.reasoning.level", "flowir.budget")
INPUT = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
OUTPUT = ("gen_ai.usage.output_tokens", "llm.token_count.completion")
QUERY = ("flowir.query.id",)
LATENCY = ("flowir.latency_s",)
PARAMETERS = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
}
"""First attribute found wins; names of the OpenTelemetry GenAI conventions come first."""
OTHER_PARAMETERS = "flowir.request."
"""What sampling parameters begin with for which the conventions have no name."""

MODEL_OPERATIONS = frozenset({"chat", "text_completion", "generate_content"})
MODEL_KINDS = frozenset({"LLM", "CHAT_MODEL"})
CORRECTNESS = ("correctness", "correct")
FIRST_CALLS = 5
"""With this many calls of an arm, the latency of the first is dropped: it pays for connections."""


@dataclass(frozen=True)
class Span:
    """One span, whatever tracer wrote it. Times are seconds since the epoch."""

    trace: str
    span: str
    parent: str
    name: str
    start: float
    end: float
    attributes: Attributes
    failed: bool


def otlp_spans(document: Any) -> Iterator[Span]:
    """Spans of one OTLP JSON export (`resourceSpans`, `scopeSpans`, `spans`)."""
    for resource in document["resourceSpans"]:
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                code = span.get("status", {}).get("code", 0)
                yield Span(
                    span["traceId"],
                    span["spanId"],
                    span.get("parentSpanId") or "",
                    span.get("name", ""),
                    int(span["startTimeUnixNano"]) / 1e9,
                    int(span["endTimeUnixNano"]) / 1e9,
                    {a["key"]: _otlp_value(a.get("value", {})) for a in span.get("attributes", ())},
                    code in (2, "STATUS_CODE_ERROR"),
                )


def _otlp_value(value: Mapping[str, Any]) -> Any:
    if "intValue" in value:
        return int(value["intValue"])
    for name in ("stringValue", "doubleValue", "boolValue"):
        if name in value:
            return value[name]
    if "arrayValue" in value:
        return [_otlp_value(one) for one in value["arrayValue"].get("values", ())]
    return None


def langsmith_spans(runs: Iterable[Mapping[str, Any]]) -> Iterator[Span]:
    """Spans of exported LangSmith runs, nested ones (`child_runs`) included."""
    for run in runs:
        yield from langsmith_spans(run.get("child_runs") or ())
        metadata = (run.get("extra") or {}).get("metadata") or {}
        prompt, completion = _langsmith_tokens(run)
        attributes = {
            **metadata,
            "openinference.span.kind": "LLM" if run.get("run_type") == "llm" else "",
            "gen_ai.request.model": metadata.get("ls_model_name"),
            "gen_ai.request.temperature": metadata.get("ls_temperature"),
            "gen_ai.usage.input_tokens": prompt,
            "gen_ai.usage.output_tokens": completion,
        }
        if run.get("reference_example_id"):
            attributes.setdefault("flowir.query.id", str(run["reference_example_id"]))
        feedback = run.get("feedback_stats") or {}
        for name in CORRECTNESS:
            if isinstance(feedback.get(name), Mapping) and feedback[name].get("avg") is not None:
                attributes.setdefault("flowir.correct", feedback[name]["avg"])
        yield Span(
            str(run.get("trace_id") or run["id"]),
            str(run["id"]),
            str(run.get("parent_run_id") or ""),
            str(run.get("name", "")),
            _seconds(run["start_time"]),
            _seconds(run.get("end_time") or run["start_time"]),
            attributes,
            bool(run.get("error")),
        )


def _langsmith_tokens(run: Mapping[str, Any]) -> tuple[Any, Any]:
    """Token counts, from wherever this kind of export keeps them."""
    outputs = run.get("outputs") or {}
    usage = outputs.get("usage_metadata") or {}
    if not usage:
        usage = (outputs.get("llm_output") or {}).get("token_usage") or {}
    for generations in outputs.get("generations") or ():
        for one in generations if isinstance(generations, list) else [generations]:
            message = (one.get("message") or {}) if isinstance(one, Mapping) else {}
            usage = usage or (message.get("kwargs") or message).get("usage_metadata") or {}
    prompt = usage.get("input_tokens", usage.get("prompt_tokens", run.get("prompt_tokens")))
    written = usage.get("output_tokens", usage.get("completion_tokens"))
    return prompt, run.get("completion_tokens") if written is None else written


def mlflow_spans(trace: Mapping[str, Any]) -> Iterator[Span]:
    """Spans of one MLflow trace (`info`, `data.spans`); attribute values may be JSON texts."""
    info = trace["info"]
    identity = str(info.get("trace_id") or info.get("request_id") or "")
    correct = _mlflow_correct(info.get("assessments") or ())
    for span in trace["data"]["spans"]:
        attributes = {key: _decoded(value) for key, value in span.get("attributes", {}).items()}
        metadata = attributes.get("metadata")
        usage = attributes.get("mlflow.chat.tokenUsage") or {}
        attributes |= metadata if isinstance(metadata, Mapping) else {}
        attributes |= {
            "openinference.span.kind": attributes.get("mlflow.spanType"),
            "gen_ai.usage.input_tokens": usage.get("input_tokens"),
            "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        }
        if correct is not None:
            attributes.setdefault("flowir.correct", correct)
        status = span.get("status", {})
        code = status.get("code") if isinstance(status, Mapping) else status
        yield Span(
            identity or str(span.get("trace_id", "")),
            str(span["span_id"]),
            str(span.get("parent_id") or span.get("parent_span_id") or ""),
            str(span.get("name", "")),
            _nanoseconds(span, "start") / 1e9,
            _nanoseconds(span, "end") / 1e9,
            attributes,
            "ERROR" in str(code) or code == 2,
        )


def _nanoseconds(span: Mapping[str, Any], which: str) -> int:
    for name in (f"{which}_time_unix_nano", f"{which}_time_ns", f"{which}_time"):
        if span.get(name) is not None:
            return int(span[name])
    raise KeyError(f"{which}_time_unix_nano")


def _mlflow_correct(assessments: Iterable[Mapping[str, Any]]) -> Any:
    for assessment in assessments:
        if assessment.get("assessment_name", assessment.get("name")) in CORRECTNESS:
            value = (assessment.get("feedback") or {}).get("value")
            return {"yes": 1, "no": 0}.get(value, value) if isinstance(value, str) else value
    return None


def _decoded(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _seconds(moment: Any) -> float:
    """Seconds since the epoch of an ISO time (UTC where no zone is written) or milliseconds."""
    if isinstance(moment, (int, float)):
        return moment / 1e3
    parsed = datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def calls(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """Rows in the columns of an observation file, in order of start."""
    everything = {(span.trace, span.span): span for span in spans}
    found = [
        span
        for span in everything.values()
        if _is_model(span) and not _inside_a_call(span, everything)
    ]
    found.sort(key=lambda span: (span.start, span.trace, span.span))
    rows = [_row(span, everything) for span in found]
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        arm = repr((row["sub_agent"], row["model"], row["budget"], row["params"]))
        by_arm.setdefault(arm, []).append(row)
    for group in by_arm.values():
        if len(group) >= FIRST_CALLS:
            group[0]["latency_s"] = None
    return [row for row in rows if row["error"] or _says_something(row)]


def _says_something(row: Mapping[str, Any]) -> bool:
    return any(row[name] is not None for name in ("latency_s", "correct", "answer"))


def _is_model(span: Span) -> bool:
    kind = span.attributes.get("openinference.span.kind")
    if kind:
        return kind in MODEL_KINDS
    operation = span.attributes.get("gen_ai.operation.name")
    if operation:
        return operation in MODEL_OPERATIONS
    return _first(span, ("gen_ai.request.model", "llm.model_name")) is not None


def _inside_a_call(span: Span, everything: Mapping[tuple[str, str], Span]) -> bool:
    return any(_is_model(outer) for outer in _ancestors(span, everything))


def _ancestors(span: Span, everything: Mapping[tuple[str, str], Span]) -> Iterator[Span]:
    seen = {span.span}
    while (outer := everything.get((span.trace, span.parent))) and outer.span not in seen:
        seen.add(outer.span)
        yield outer
        span = outer


def _row(span: Span, everything: Mapping[tuple[str, str], Span]) -> dict[str, Any]:
    lineage = (span, *_ancestors(span, everything))

    def inherited(names: tuple[str, ...]) -> Any:
        for one in lineage:
            value = _first(one, names)
            if value is not None:
                return value
        return None

    parameters = {
        short: span.attributes[name]
        for name, short in PARAMETERS.items()
        if span.attributes.get(name) is not None
    }
    parameters |= {
        name.removeprefix(OTHER_PARAMETERS): value
        for name, value in span.attributes.items()
        if name.startswith(OTHER_PARAMETERS)
    }
    # Where repeats were waited for, the span is longer than the request that was answered.
    told = _first(span, LATENCY)
    duration = span.end - span.start if told is None else told
    return {
        "sub_agent": inherited(AGENT) or span.name,
        "model": _first(span, MODEL) or "unknown model",
        "budget": _first(span, BUDGET),
        "params": parameters,
        "query_id": inherited(QUERY) or span.trace,
        "sample": span.span,
        "correct": _first(span, ("flowir.correct",)),
        "latency_s": duration if duration > 0 and not span.failed else None,
        "input_tokens": _first(span, INPUT),
        "output_tokens": _first(span, OUTPUT),
        "cost_usd": None,
        "input_correct": _first(span, ("flowir.input_correct",)),
        "answer": _first(span, ("flowir.answer",)),
        "error": "1" if span.failed else "",
    }


def _first(span: Span, names: tuple[str, ...]) -> Any:
    for name in names:
        value = span.attributes.get(name)
        if value is not None and value != "":
            return value
    return None
