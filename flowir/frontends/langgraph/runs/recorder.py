"""Records runs of a graph through LangChain's callbacks.

    graph.invoke(inputs, {"callbacks": [Recorder("runs.jsonl", "my.module:graph")]})

What a run did is written when it ends, as one line; see :mod:`.traces` for what that holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from flowir.frontends.langgraph.runs.traces import Decision, ModelCall, Run, Visit


@dataclass
class _Going:
    """A run that has not ended."""

    root: UUID
    started: float
    clock: float
    visits: list[Visit] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    instances: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Part:
    """A node, a router or a model call that has begun."""

    run: _Going
    kind: str
    node: str
    name: str
    within: int
    step: int
    clock: float


class Recorder(BaseCallbackHandler):
    """A callback that appends every run of a graph to a file of JSON lines.

    Args:
        path: the file; it is made, and lines are added at its end.
        graph: what the runs are called by; `module:graph` where they come from one.
    """

    run_inline = True

    def __init__(self, path: str | Path, graph: str = "graph") -> None:
        self._path, self._graph = Path(path), graph
        self._lock = threading.Lock()
        self._runs: dict[UUID, _Going] = {}
        self._parts: dict[UUID, _Part] = {}

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        with self._lock:
            run = self._of(run_id, parent_run_id)
            kind = _kind(kwargs.get("name"), tags or (), metadata or {})
            parent = self._parts.get(parent_run_id) if parent_run_id is not None else None
            if kind == "router" and (parent is None or parent.kind != "node"):
                kind = ""
            self._begin(run, run_id, kind, str(kwargs.get("name")), metadata or {})

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        with self._lock:
            part = self._parts.pop(run_id, None)
            if part is not None and part.kind == "router":
                part.run.decisions.append(_decision(part.node, part.name, outputs))
            if part is not None and part.kind == "node":
                self._visit(part, "")
                if (went := getattr(outputs, "goto", None)) is not None:
                    part.run.decisions.append(_decision(part.node, "", went))
            self._end(run_id, "")

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        with self._lock:
            part = self._parts.pop(run_id, None)
            if part is not None and part.kind == "node":
                self._visit(part, type(error).__name__)
            self._end(run_id, type(error).__name__)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        with self._lock:
            asked = kwargs.get("invocation_params") or {}
            told = (metadata or {}).get("ls_model_name") or asked.get("model")
            run = self._of(run_id, parent_run_id)
            self._begin(run, run_id, "model", str(told or "unknown model"), metadata or {})

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], **kwargs: Any) -> None:
        self.on_chat_model_start(serialized, [], **kwargs)

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        with self._lock:
            self._called(run_id, *_tokens(response), "")

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        with self._lock:
            self._called(run_id, None, None, type(error).__name__)

    def _of(self, run_id: UUID, parent: UUID | None) -> _Going:
        """The run that something belongs to; one of its own where nothing is around it."""
        if parent is not None and parent in self._runs:
            run = self._runs[parent]
        else:
            run = _Going(run_id, time.time(), time.perf_counter())
        self._runs[run_id] = run
        return run

    def _begin(
        self, run: _Going, run_id: UUID, kind: str, name: str, metadata: Mapping[str, Any]
    ) -> None:
        if not kind:
            return
        around, _, node = _names(metadata)
        within = run.instances.setdefault(around, len(run.instances) if around else 0)
        step = int(metadata.get("langgraph_step", 0))
        part = _Part(run, kind, node, name, within, step, time.perf_counter())
        self._parts[run_id] = part

    def _visit(self, part: _Part, error: str) -> None:
        now = time.perf_counter()
        started, seconds = part.clock - part.run.clock, now - part.clock
        visit = Visit(part.node, part.within, part.step, started, seconds, error)
        part.run.visits.append(visit)

    def _called(self, run_id: UUID, given: int | None, taken: int | None, error: str) -> None:
        self._runs.pop(run_id, None)
        part = self._parts.pop(run_id, None)
        if part is None or part.kind != "model":
            return
        now = time.perf_counter()
        started, seconds = part.clock - part.run.clock, now - part.clock
        call = ModelCall(part.node, part.name, started, seconds, given, taken, error)
        part.run.calls.append(call)

    def _end(self, run_id: UUID, error: str) -> None:
        """Forget a part; write the run where that was the whole of it."""
        run = self._runs.pop(run_id, None)
        if run is None or run.root != run_id:
            return
        done = Run(
            self._graph,
            str(run_id),
            run.started,
            time.perf_counter() - run.clock,
            error,
            tuple(run.visits),
            tuple(run.decisions),
            tuple(run.calls),
        )
        with self._path.open("a", encoding="utf-8") as file:
            file.write(done.line())


def _kind(name: Any, tags: Sequence[str], metadata: Mapping[str, Any]) -> str:
    """`node`, `router`, or nothing of interest: what LangGraph tags them with."""
    if "langgraph_node" not in metadata:
        return ""
    if name == metadata["langgraph_node"] and any(t.startswith("graph:step:") for t in tags):
        return "node"
    steps = [tag.removeprefix("seq:step:") for tag in tags if tag.startswith("seq:step:")]
    return "router" if any(step.isdecimal() and int(step) > 1 for step in steps) else ""


def _names(metadata: Mapping[str, Any]) -> tuple[str, str, str]:
    """The instance of the graph that a node is in, the node's name, and its path."""
    namespace = str(metadata.get("langgraph_checkpoint_ns", ""))
    parts = namespace.split("|") if namespace else []
    names = [part.partition(":")[0] for part in parts if not part.isdecimal()]
    name = str(metadata.get("langgraph_node", ""))
    return "|".join(parts[:-1]), name, "/".join([*names[:-1], name]) if names else name


def _decision(node: str, router: str, answer: Any) -> Decision:
    """Of what a router returned or a Command goes to: a name, a `Send`, or several of those."""
    items = list(answer) if isinstance(answer, list | tuple) else [answer]
    sends: dict[str, int] = {}
    answers: list[str] = []
    for item in items:
        if hasattr(item, "node") and hasattr(item, "arg"):
            sends[str(item.node)] = sends.get(str(item.node), 0) + 1
        else:
            answers.append(str(item))
    return Decision(node, router, tuple(answers), sends)


def _tokens(response: Any) -> tuple[int | None, int | None]:
    """Input and output tokens of an answer, where it says them."""
    usage: Mapping[str, Any] = {}
    for generations in getattr(response, "generations", ()):
        for one in generations:
            usage = usage or getattr(getattr(one, "message", None), "usage_metadata", None) or {}
    if not usage:
        usage = (getattr(response, "llm_output", None) or {}).get("token_usage") or {}
    given = usage.get("input_tokens", usage.get("prompt_tokens"))
    taken = usage.get("output_tokens", usage.get("completion_tokens"))
    return _count(given), _count(taken)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
