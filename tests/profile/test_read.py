"""Readers: what they take, what they refuse, and how they say so."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.configuration import Configuration
from flowir.errors import ProfileError
from flowir.profile import Observation, merge, observations_of, read_observations, read_prices

HEADER = "sub_agent,model,budget,params,query_id,sample,correct,latency_s,answer,error\n"


def csv_file(folder: Path, text: str, name: str = "profile.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(ProfileError) as caught:
        read_observations(path)
    return str(caught.value)


def test_reads_every_column(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "sub_agent,model,budget,params,query_id,sample,correct,latency_s,input_tokens,"
        "output_tokens,cost_usd,input_correct,answer,error\n"
        "coder,gpt-4,1024,temperature=0.7;top_p=1,q1,1,0.5,2.5,100,20,0.01,0,42,\n"
        "coder,gpt-4,high,,q2,,,,,,,,,timeout\n",
    )
    first, second = read_observations(path).rows()
    assert first == Observation(
        "coder",
        Configuration("gpt-4", 1024, (("temperature", 0.7), ("top_p", 1))),
        "q1",
        "1",
        0.5,
        2.5,
        100,
        20,
        0.01,
        False,
        "42",
        False,
    )
    assert second == Observation("coder", Configuration("gpt-4", "high"), "q2", error=True)


def test_json_lines_and_csv_agree(tmp_path: Path) -> None:
    table = csv_file(tmp_path, HEADER + "a,m,64,temperature=1,q,1,1,0.5,x,\nb,m,,,q,1,0,,y,\n")
    rows = [
        {"sub_agent": "b", "model": "m", "query_id": "q", "sample": 1, "correct": 0, "answer": "y"},
        {
            "sub_agent": "a",
            "model": "m",
            "budget": 64,
            "params": {"temperature": 1},
            "query_id": "q",
            "sample": 1,
            "correct": True,
            "latency_s": 0.5,
            "answer": "x",
        },
    ]
    lines = csv_file(tmp_path, "\n".join(json.dumps(row) for row in rows), "profile.jsonl")
    assert read_observations(table).content_hash == read_observations(lines).content_hash


def test_all_bad_rows_are_reported_together(tmp_path: Path) -> None:
    message = refused(
        csv_file(
            tmp_path,
            HEADER
            + "a,m,,,q,1,1,0.5,,\n"
            + ",m,,,q,2,1,0.5,,\n"
            + "a,m,,,q,3,1.5,0.5,,\n"
            + "a,m,,,q,4,1,-2,,\n"
            + "a,m,,,q,5,nan,,,\n"
            + "a,m,,,q,6,,,,\n"
            + "a,m,,,q,7\n"
            + "a,m,-3,,q,8,1,,,\n"
            + "a,m,,hot,q,9,1,,,\n",
        )
    )
    for line, reason in {
        3: "sub_agent is empty",
        4: "correct is 1.5; it must lie between 0 and 1",
        5: "latency_s is -2; it must be above 0",
        6: 'correct is "nan"',
        7: "nothing is measured",
        8: "6 cells where the header has 10",
        9: 'budget is "-3"',
        10: 'params has "hot"',
    }.items():
        assert f"line {line}: {reason}" in message
    assert "8 bad rows" in message


def test_many_bad_rows_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    message = refused(csv_file(tmp_path, HEADER + "a,m,,,q,,2,,,\n" * 50))
    assert "50 bad rows" in message
    assert message.count("line ") == 20
    assert "and 30 more" in message


def test_wrong_columns_name_the_nearest(tmp_path: Path) -> None:
    message = refused(csv_file(tmp_path, "subagent,model,query_id,latency\na,m,q,1\n"))
    assert 'unknown column "subagent"; did you mean "sub_agent"?' in message
    assert 'unknown column "latency"; did you mean "latency_s"?' in message
    assert 'missing column "sub_agent"' in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        (HEADER, "no observations"),
        ("sub_agent,model,query_id\na,m,q\n", "nothing is measured"),
    ],
)
def test_empty_files(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refused(csv_file(tmp_path, text))


def test_missing_file_and_unknown_kind(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.csv")
    assert 'unknown kind of file ".txt"' in refused(csv_file(tmp_path, "x", "a.txt"))


def test_a_repeated_call_counts_once_and_a_contradiction_is_refused(tmp_path: Path) -> None:
    row = "a,m,,,q,1,1,0.5,,\n"
    assert len(read_observations(csv_file(tmp_path, HEADER + row + row))) == 1
    message = refused(csv_file(tmp_path, HEADER + row + "a,m,,,q,1,0,0.5,,\n"))
    assert "line 3: contradicts line 2" in message


def test_rows_without_a_sample_are_calls_of_their_own(tmp_path: Path) -> None:
    assert len(read_observations(csv_file(tmp_path, HEADER + "a,m,,,q,,1,,,\n" * 3))) == 3


rows = st.builds(
    Observation,
    agent=st.sampled_from(["a", "b"]),
    configuration=st.builds(
        Configuration, st.sampled_from(["m", "n"]), st.sampled_from([None, 64, "high"])
    ),
    query=st.sampled_from(["q1", "q2", "q3"]),
    correct=st.none() | st.floats(0, 1),
    latency_s=st.none() | st.floats(1e-3, 1e3),
    answer=st.none() | st.sampled_from(["x", "y"]),
    error=st.booleans(),
)


@given(st.lists(rows, min_size=1, max_size=12), st.randoms())
def test_row_order_changes_nothing(some: list[Observation], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(some)
    random.shuffle(shuffled)
    one, other = observations_of(some), observations_of(shuffled)
    assert one.content_hash == other.content_hash
    assert one.agents == other.agents
    np.testing.assert_array_equal(one.correct, other.correct)


@given(st.lists(rows, min_size=2, max_size=12), st.integers(1, 11))
def test_merging_parts_gives_the_whole(some: list[Observation], cut: int) -> None:
    cut = min(cut, len(some) - 1)
    parts = [observations_of(some[:cut]), observations_of(some[cut:])]
    assert merge(parts).content_hash == observations_of(some).content_hash


@given(st.lists(rows, min_size=1, max_size=8), rows)
def test_another_row_changes_the_hash(some: list[Observation], more: Observation) -> None:
    assert observations_of(some).content_hash != observations_of([*some, more]).content_hash


def test_prices(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "model,input_per_mtok,output_per_mtok\nm,2.5,10\n")
    prices = read_prices(path)
    assert prices.per_token("m") == (2.5e-6, 1e-5)
    assert all(math.isnan(x) for x in prices.per_token("other"))


def test_bad_prices_are_reported_together(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "model,input_per_mtok,output_per_mtok\nm,1,2\nm,1,2\nn,-1,2\n,1,2\n")
    with pytest.raises(ProfileError) as caught:
        read_prices(path)
    message = str(caught.value)
    assert 'line 3: a second price for "m"' in message
    assert 'line 4: input_per_mtok is "-1"' in message
    assert "line 5: model is empty" in message
