"""Traces, foreign result files and stores give the observations that a person would write down."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from flowir.configuration import Configuration
from flowir.errors import ProfileError
from flowir.profile import Observation, observations_of, read_observations, store_observations

SECOND = 1_000_000_000


def otlp(spans: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def span(
    identity: str,
    *,
    parent: str = "",
    start: float = 0,
    seconds: float = 1,
    code: int = 0,
    **attributes: Any,
) -> dict[str, Any]:
    kinds = {str: "stringValue", float: "doubleValue", bool: "boolValue"}
    return {
        "traceId": "t1",
        "spanId": identity,
        "parentSpanId": parent,
        "name": identity,
        "startTimeUnixNano": str(int(start * SECOND)),
        "endTimeUnixNano": str(int((start + seconds) * SECOND)),
        "status": {"code": code},
        "attributes": [
            {
                "key": key.replace("__", "."),
                "value": {"intValue": str(value)}
                if type(value) is int
                else {kinds[type(value)]: value},
            }
            for key, value in attributes.items()
        ],
    }


def written(folder: Path, document: Any, name: str = "trace.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


CHAT = {"gen_ai__request__model": "gpt-4", "gen_ai__operation__name": "chat"}


def test_otlp_spans_of_models_are_calls_and_others_are_not(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        otlp(
            [
                span("root", flowir__query__id="q7"),
                span("coder", parent="root", langgraph_node="coder"),
                span(
                    "chat gpt-4",
                    parent="coder",
                    seconds=2.5,
                    gen_ai__usage__input_tokens=100,
                    gen_ai__usage__output_tokens=20,
                    gen_ai__request__temperature=0.5,
                    flowir__correct=True,
                    **CHAT,
                ),
                span("a retry of the client", parent="chat gpt-4", **CHAT),
                span("embed", parent="root", gen_ai__request__model="e",
                     gen_ai__operation__name="embeddings"),
            ]
        ),
    )  # fmt: skip
    (call,) = read_observations(path).rows()
    assert call == Observation(
        "coder",
        Configuration("gpt-4", None, (("temperature", 0.5),)),
        "q7",
        "chat gpt-4",
        correct=1.0,
        latency_s=2.5,
        input_tokens=100,
        output_tokens=20,
    )


def test_a_failed_span_is_missing_data(tmp_path: Path) -> None:
    path = written(tmp_path, otlp([span("a", code=2, **CHAT), span("b", **CHAT)]))
    observations = read_observations(path)
    assert sorted(observations.error.tolist()) == [False, True]


def test_the_first_call_of_many_is_not_timed(tmp_path: Path) -> None:
    spans = [
        span(f"s{i}", start=i, seconds=9 if i == 0 else 1, langgraph_node="n", **CHAT)
        for i in range(6)
    ]
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(json.dumps(otlp([one])) for one in spans))
    timed = [row.latency_s for row in read_observations(path).rows()]
    assert timed == [1.0] * 5


def test_langsmith_runs(tmp_path: Path) -> None:
    run = {
        "id": "r1",
        "trace_id": "t1",
        "run_type": "llm",
        "name": "ChatOpenAI",
        "start_time": "2025-03-01T10:00:00.000000",
        "end_time": "2025-03-01T10:00:01.500000+00:00",
        "extra": {"metadata": {"langgraph_node": "writer", "ls_model_name": "gpt-4o"}},
        "outputs": {"llm_output": {"token_usage": {"prompt_tokens": 7, "completion_tokens": 3}}},
        "reference_example_id": "example",
        "feedback_stats": {"correctness": {"n": 1, "avg": 0.5}},
    }
    chain = {"id": "r0", "run_type": "chain", "start_time": 0, "child_runs": [run], "name": "g"}
    (call,) = read_observations(written(tmp_path, [chain])).rows()
    assert call == Observation("writer", Configuration("gpt-4o"), "example", "r1", 0.5, 1.5, 7, 3)


def test_mlflow_traces(tmp_path: Path) -> None:
    trace = {
        "info": {
            "trace_id": "tr-1",
            "assessments": [{"assessment_name": "correctness", "feedback": {"value": "no"}}],
        },
        "data": {
            "spans": [
                {
                    "span_id": "s1",
                    "parent_id": None,
                    "name": "ChatOpenAI",
                    "start_time_unix_nano": SECOND,
                    "end_time_unix_nano": 3 * SECOND,
                    "status": {"code": "STATUS_CODE_OK"},
                    "attributes": {
                        "mlflow.spanType": '"CHAT_MODEL"',
                        "mlflow.llm.model": '"gpt-4o"',
                        "mlflow.chat.tokenUsage": '{"input_tokens": 5, "output_tokens": 2}',
                        "metadata": '{"langgraph_node": "judge"}',
                    },
                }
            ]
        },
    }
    (call,) = read_observations(written(tmp_path, trace)).rows()
    assert call == Observation("judge", Configuration("gpt-4o"), "tr-1", "s1", 0.0, 2.0, 5, 2)


def test_flowcompile_results(tmp_path: Path) -> None:
    def entry(agent: str, budget: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "agent_name": agent,
            "model": "qwen3-4b",
            "thinking_budget": budget,
            "problem": "1 + 1",
            "n_repetitions": len(runs),
            "all_runs": runs,
        }

    run = {"output": "2", "input_tokens": 10, "output_tokens": 4, "is_correct": True}
    graded = run | {"is_correct": False, "f1_score": 0.25}
    document = {
        "solver": {"qwen3-4b_budget_200": [entry("solver", "200", [run, run])]},
        "format": {"qwen3-4b_budget_low": [entry("format", "low", [graded])]},
    }
    observations = read_observations(written(tmp_path, document, "detailed_results.json"))
    rows = list(observations.rows())
    assert [(r.agent, r.configuration.budget, r.correct, r.output_tokens) for r in rows] == [
        ("format", "low", 0.25, 4),
        ("solver", 200, 1.0, 4),
        ("solver", 200, 1.0, 4),
    ]
    assert len(observations.queries) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1}', "of no known form"),
        ("[]", "of no known form"),
        ("", "the file is empty"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}', "'traceId' is missing"),
        ("{", "not JSON"),
    ],
)
def test_documents_that_cannot_be_read(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ProfileError, match=reason):
        read_observations(path)


ROWS = [
    Observation(
        "a",
        Configuration("m", 64, (("temperature", 0.5), ("seed", 3))),
        "q1",
        "1",
        0.5,
        2.0,
        10,
        20,
        0.1,
        False,
        "x",
    ),
    Observation("b", Configuration("m", "high"), "q2", error=True),
    Observation("b", Configuration("m"), "q2", latency_s=1.5, answer="accept"),
]


def test_a_store_gives_back_what_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "profile.sqlite"
    store_observations(path, observations_of(ROWS[:1]))
    store_observations(path, observations_of(ROWS[1:]))
    assert read_observations(path).content_hash == observations_of(ROWS).content_hash


def test_other_databases_and_versions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    with pytest.raises(ProfileError, match="not a profile store"):
        read_observations(path)
    with pytest.raises(ProfileError, match="not a profile store"):
        store_observations(path, observations_of(ROWS))
    store = tmp_path / "profile.db"
    store_observations(store, observations_of(ROWS))
    database = sqlite3.connect(store)
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(ProfileError, match="version 9, this flowir reads 1"):
        read_observations(store)
    (tmp_path / "text.db").write_text("no database at all, only some text" * 10)
    with pytest.raises(ProfileError, match="not a profile store"):
        read_observations(tmp_path / "text.db")


def test_parquet_and_csv_agree(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {
        "sub_agent": ["a", "a"],
        "model": ["m", "m"],
        "budget": ["64", None],
        "query_id": ["q1", "q2"],
        "correct": [1.0, None],
        "latency_s": [None, 2.0],
    }
    parquet.write_table(arrow.table(columns), tmp_path / "p.parquet")
    (tmp_path / "p.csv").write_text(
        "sub_agent,model,budget,query_id,correct,latency_s\na,m,64,q1,1,\na,m,,q2,,2\n"
    )
    first, second = (read_observations(tmp_path / f"p.{kind}") for kind in ("parquet", "csv"))
    assert first.content_hash == second.content_hash
