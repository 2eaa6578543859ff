"""OpenTelemetry spans, named as the GenAI conventions name things; nothing where nobody traces."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from flowir.backends.asyncio.library.points import Config
from flowir.backends.asyncio.library.written import WORKFLOW

STANDARD_PARAMETERS = ("temperature", "top_p", "top_k")


def run_span(point: int, inputs: Mapping[str, Any]) -> contextlib.AbstractContextManager[Any]:
    """The span of a run. Of the inputs it has a hash, which tells queries apart."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return contextlib.nullcontext()
    import hashlib

    text = json.dumps(inputs, sort_keys=True, default=str)
    attributes = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": WORKFLOW,
        "flowir.point": point,
        "flowir.query.id": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16],
    }
    return span(trace, f"invoke_workflow {WORKFLOW}", trace.SpanKind.INTERNAL, attributes)


def call_span(
    llm: object, site: str, config: str, chosen: Config
) -> contextlib.AbstractContextManager[Any]:
    """The span of a model call, its repeats included; gives None where nobody traces."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return contextlib.nullcontext()
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": getattr(llm, "provider", None) or "unknown",
        "gen_ai.request.model": chosen.model,
        "gen_ai.agent.name": config.partition("/")[0],
        "gen_ai.workflow.name": WORKFLOW,
        "flowir.node.id": site,
    }
    # <budgets>
    if chosen.budget is not None:
        attributes["gen_ai.request.reasoning.level"] = str(chosen.budget)
    # </budgets>
    for name, value in chosen.params.items():
        prefix = "gen_ai" if name in STANDARD_PARAMETERS else "flowir"
        attributes[f"{prefix}.request.{name}"] = value
    return span(trace, f"chat {chosen.model}", trace.SpanKind.CLIENT, attributes)


def tool_span(tool: str) -> contextlib.AbstractContextManager[Any]:
    """The span of a tool at work."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return contextlib.nullcontext()
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
    return span(trace, f"execute_tool {tool}", trace.SpanKind.INTERNAL, attributes)


@contextlib.contextmanager
def span(trace: Any, name: str, kind: Any, attributes: Mapping[str, Any]) -> Iterator[Any]:
    """A span that says why it ended early, also where it was cancelled."""
    with trace.get_tracer("flowir").start_as_current_span(
        name,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(trace.Status(trace.StatusCode.ERROR, str(error)))
            raise


def record(current: Any, answer: Any, seconds: float) -> None:
    """Tell the span of a call what it took: the seconds are of the request that was answered."""
    current.set_attributes(
        {
            "gen_ai.response.model": answer.model,
            "gen_ai.usage.input_tokens": answer.usage.input_tokens,
            "gen_ai.usage.output_tokens": answer.usage.output_tokens,
            "flowir.latency_s": seconds,
        }
    )
    if (first := getattr(answer, "ttft_s", None)) is not None:
        current.set_attribute("gen_ai.response.time_to_first_chunk", first)
