"""`flowir profile` against a real endpoint: what is asked, stored and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowir.profile import read_observations
from tests.profiler.commands import everything, invoke, rows, write
from tests.profiler.endpoint import Reply, endpoint, error, prompt


def test_the_grid_is_asked_once_and_read_as_observations(tmp_path: Path) -> None:
    """Each query under each configuration; the numbers are those the endpoint told."""
    write(tmp_path, [{"id": n, "task": f"t{n}", "expected": "t1"} for n in range(4)])
    with endpoint(lambda body: Reply(prompt(body)[5:], read=3, written=11)) as running:
        result = invoke(tmp_path, running.url, "--repeats", "2")
    assert result.exit_code == 0, result.output
    grid = {(model, f"Say: t{n}"): 2 for model in ("m1", "m2") for n in range(4)}
    assert dict(running.asked()) == grid
    seen = list(read_observations(tmp_path / "p.sqlite").rows())
    assert len(seen) == 16
    assert {row.query: row.correct for row in seen} == {"0": 0.0, "1": 1.0, "2": 0.0, "3": 0.0}
    assert {(row.input_tokens, row.output_tokens, row.error) for row in seen} == {(3, 11, False)}
    assert {row.answer for row in seen} == {"t0", "t1", "t2", "t3"}
    assert all(row.latency_s is not None and row.latency_s > 0 for row in seen)


def test_a_second_run_asks_only_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path, 5)
    with endpoint() as running:
        invoke(tmp_path, running.url, "--models", "m1", "--max-calls", "3")
        first = running.asked()
        assert sum(first.values()) == 3
        result = invoke(tmp_path, running.url, "--models", "m1")
        assert max(running.asked().values()) == 1
        assert len(running.bodies) == 5
        write(tmp_path, 6)
        invoke(tmp_path, running.url, "--models", "m1")
    assert len(running.bodies) == 6
    assert result.exit_code == 0


def test_another_prompt_under_the_same_key_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 2)
    with endpoint() as running:
        invoke(tmp_path, running.url)
        write(tmp_path, [{"id": "q0", "task": "something else", "expected": "ok"}])
        result = invoke(tmp_path, running.url)
        assert len(running.bodies) == 4
    assert result.exit_code == 1
    assert "another prompt" in result.output
    assert "--store" in result.output


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (error(401, "Incorrect API key provided: sk-abcdefgh123"), "Incorrect API key"),
        (error(404, "The model `m1` does not exist", "model_not_found"), "does not exist"),
        (error(429, "You exceeded your quota", "insufficient_quota"), "quota"),
    ],
)
def test_a_refusal_costs_one_request_for_each_model(
    tmp_path: Path, reply: Reply, word: str
) -> None:
    write(tmp_path, 20)
    with endpoint(lambda body: reply) as running:
        result = invoke(tmp_path, running.url, OPENAI_API_KEY="sk-abcdefgh123")
    assert len(running.bodies) == 2
    assert result.exit_code == 1
    assert word in result.output
    assert "sk-abcdefgh123" not in result.output
    assert b"sk-abcdefgh123" not in everything(tmp_path)
    assert rows(tmp_path) == []


def test_one_model_that_is_not_there_does_not_stop_the_other(tmp_path: Path) -> None:
    write(tmp_path, 6)

    def answer(body: dict[str, Any]) -> Reply:
        return error(404, "no such model") if body["model"] == "m2" else Reply()

    with endpoint(answer) as running:
        result = invoke(tmp_path, running.url)
    assert [row["model"] for row in rows(tmp_path)] == ["m1"] * 6
    assert sum(1 for body in running.bodies if body["model"] == "m2") == 1
    assert result.exit_code == 1
    assert "m2 is not asked any more" in result.output


@pytest.mark.parametrize(
    "reply",
    [
        error(500),
        Reply(body=b'{"choices": ['),
        Reply(body=b'{"id": "1", "object": "chat.completion", "choices": []}'),
        Reply(delay_s=60),
    ],
    ids=["500", "garbage", "no choices", "never"],
)
def test_trouble_is_given_up_and_never_a_wrong_answer(tmp_path: Path, reply: Reply) -> None:
    write(tmp_path, 20)
    options = ("--models", "m1", "--retries", "1", "--timeout", "0.5")
    with endpoint(lambda body: reply) as running:
        result = invoke(tmp_path, running.url, *options)
        assert 2 <= len(running.bodies) <= 6
        running.answer = lambda body: Reply()
        again = invoke(tmp_path, running.url, *options)
    assert result.exit_code == 1
    assert "m1 is not asked any more" in result.output
    assert again.exit_code == 0
    assert {row["correct"] for row in rows(tmp_path)} == {1.0}
    assert len(rows(tmp_path)) == 20
    assert len(rows(tmp_path, "failure")) >= 1


def test_a_rate_limit_pauses_the_model_and_is_not_counted(tmp_path: Path) -> None:
    write(tmp_path, 12)
    seen: list[str] = []

    def answer(body: dict[str, Any]) -> Reply:
        seen.append(prompt(body))
        if len(seen) == 5:
            return error(429, "slow down", **{"retry-after-ms": "700"})
        return Reply()

    with endpoint(answer) as running:
        options = ("--models", "m1", "--concurrency", "2")
        result = invoke(tmp_path, running.url, *options)
    assert result.exit_code == 0, result.output
    assert len(rows(tmp_path)) == 12
    # Of those after the refusal at most the one that was under way comes before the pause ends.
    early = [t for t in running.times if running.times[4] < t < running.times[4] + 0.69]
    assert len(early) <= 1


def test_concurrency_is_kept_for_each_model(tmp_path: Path) -> None:
    write(tmp_path, 24)
    with endpoint(lambda body: Reply(delay_s=0.03)) as running:
        options = ("--concurrency", "5", "--concurrency", "m2=2")
        result = invoke(tmp_path, running.url, *options)
    assert result.exit_code == 0
    assert dict(running.most) == {"m1": 5, "m2": 2}


def test_dollars_are_never_exceeded_and_what_was_spent_counts_next_time(tmp_path: Path) -> None:
    """A call of 5 + 7 tokens at $1 a token is $12; nothing begins that might pass the cap."""
    write(tmp_path, 50)
    prices = tmp_path / "prices.csv"
    prices.write_text("model,input_per_mtok,output_per_mtok\nm1,1000000,1000000\n")
    options = ("--models", "m1", "--prices", str(prices), "--max-dollars")
    with endpoint() as running:
        result = invoke(tmp_path, running.url, *options, "6000")
        spent = sum(row["cost_usd"] for row in rows(tmp_path))
        assert spent == 12 * len(running.bodies)
        assert 0 < spent <= 6000
        assert "limit reached: 6000 dollars" in result.output or len(running.bodies) == 50
        before = len(running.bodies)
        invoke(tmp_path, running.url, *options, str(spent))
        assert len(running.bodies) == before
    assert result.exit_code == 0


def test_a_cap_in_dollars_needs_prices(tmp_path: Path) -> None:
    write(tmp_path, 1)
    result = invoke(tmp_path, None, "--max-dollars", "1")
    assert result.exit_code == 1
    assert "price of every model" in result.output
    assert "m1, m2" in result.output


def test_minutes_end_what_is_under_way(tmp_path: Path) -> None:
    write(tmp_path, 50)
    with endpoint(lambda body: Reply(delay_s=30)) as running:
        result = invoke(tmp_path, running.url, "--max-minutes", "0.02")
        assert len(running.bodies) == 2
    assert "limit reached: 0.02 minutes" in result.output
    assert rows(tmp_path) == rows(tmp_path, "failure") == []


def test_a_plan_asks_nobody(tmp_path: Path) -> None:
    write(tmp_path, 10)
    prices = tmp_path / "prices.csv"
    prices.write_text("model,input_per_mtok,output_per_mtok\nm1,1,1\nm2,1000000,0\n")
    options = ("--plan", "--prices", str(prices), "--repeats", "3", "--rate", "m2=10")
    with endpoint() as running:
        result = invoke(tmp_path, running.url, *options)
        assert running.bodies == []
    assert not (tmp_path / "p.sqlite").exists()
    lines = {line.split()[0]: line.split() for line in result.output.splitlines() if line.split()}
    # "Say: task n" is 11 characters: 30 calls are 82.5 tokens at a dollar each.
    assert lines["m2"] == ["m2", "30", "0", "82", "9000", "82.5", "3"]
    assert lines["all"][1] == "60"


def test_hashed_texts_are_nowhere_in_the_files(tmp_path: Path) -> None:
    """Neither prompts nor outputs, while all numbers and judgements are there."""
    data = [{"id": n, "task": f"Rumpelstilz {n}", "expected": f"Schneewittchen {n}"} for n in "xy"]
    write(tmp_path, data)
    with endpoint(lambda body: Reply(f"Schneewittchen {prompt(body)[-1]} und der Wolf")) as running:
        result = invoke(tmp_path, running.url, "--texts", "hash", "--judge", "f1")
    assert result.exit_code == 0
    content = everything(tmp_path)
    assert b"Rumpelstilz" not in content
    assert b"Schneewittchen" not in content
    assert {row["correct"] for row in rows(tmp_path)} == {2 * 2 / 7}


def test_a_key_is_nowhere(tmp_path: Path) -> None:
    write(tmp_path, 3)
    with endpoint() as running:
        result = invoke(tmp_path, running.url, OPENAI_API_KEY="very-secret-key-0815")
    assert result.exit_code == 0
    assert b"very-secret-key-0815" not in everything(tmp_path) + result.output.encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", ["empty"]),
        ('{"task": "a", "id": 1}\n{"task": \n[1]\n', ["line 2: not JSON", "line 3: not a JSON"]),
        ('{"id": 1, "task": "a"}\n\n{"id": 1, "task": "b"}\n', ["line 3", '"1"', "line 1"]),
        ('{"task": "a"}\n{"task": "a"}\n', ["line 2", "same fields as line 1"]),
        (
            '{"id": 1, "question": "a"}\n{"id": 2, "task": "b"}\n',
            ['no field "task" in 1 of 2 rows (the first in line 1)', "@x", "question, task"],
        ),
        (
            '{"id": 1, "task": "a", "expected": "b"}\n{"id": 2, "task": "b"}\n',
            ['no "expected" in 1 of 2 rows (the first in line 2)'],
        ),
        ('{"id": [], "task": "a"}\n', ["line 1: id is []"]),
    ],
)
def test_bad_data_are_named_before_anything_is_asked(
    tmp_path: Path, data: str, words: list[str]
) -> None:
    write(tmp_path, 1)
    (tmp_path / "dev.jsonl").write_text(data)
    with endpoint() as running:
        result = invoke(tmp_path, running.url)
        assert running.bodies == []
    assert result.exit_code == 1
    assert all(word in result.output for word in words), result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--agents", "y"), ["no agent @y", "@x"]),
        (("--judge", "excat"), ["excat", "exact"]),
        (("--judge", "nowhere.at_all:f"), ["nowhere.at_all:f", "imported"]),
        (("--concurrency", "m3=4"), ["m3", "m1, m2"]),
        (("--rate", "0"), ["--rate", "above 0"]),
        (("--budgets", "-5"), ["budget", "-5"]),
        (("--budgets", "100"), ["100 tokens", "--budget-field"]),
        (("--endpoint", "localhost:80"), ["localhost:80", "https://HOST/v1"]),
        (("--endpoint", "http://me:pass@localhost/v1"), ["OPENAI_API_KEY"]),
    ],
)
def test_bad_options_are_named_with_the_mend(
    tmp_path: Path, options: tuple[str, ...], words: list[str]
) -> None:
    write(tmp_path, 2)
    with endpoint() as running:
        result = invoke(tmp_path, running.url, *options)
        assert running.bodies == []
    assert result.exit_code == 1
    assert all(word in result.output for word in words), result.output


def test_a_budget_goes_where_it_is_told_to(tmp_path: Path) -> None:
    write(tmp_path, 1)
    options = ("--models", "m1", "--budgets", "low,200", "--budget-field", "thinking.size")
    with endpoint() as running:
        result = invoke(tmp_path, running.url, *options)
    assert result.exit_code == 0, result.output
    assert [body["thinking"] for body in running.bodies] == [{"size": "low"}, {"size": 200}]


@pytest.mark.parametrize("heeds", [True, False])
def test_a_model_that_ignores_its_budget_is_reported(tmp_path: Path, heeds: bool) -> None:
    write(tmp_path, 12)
    number = {f"Say: task {n}": n for n in range(12)}

    def answer(body: dict[str, Any]) -> Reply:
        size = body["size"] if heeds else 900
        return Reply(written=40 + number[prompt(body)] + size // 2)

    with endpoint(answer) as running:
        options = ("--models", "m1", "--budgets", "50,2000", "--budget-field", "size")
        result = invoke(tmp_path, running.url, *options)
    assert ("seems to ignore its budget" in result.output) is not heeds


SIZES = """
flow.agent @x prompt "Say: {task}" space <models = ["m1", "m2"], budgets = [100, 1000]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @x(%task) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
"""


def test_adaptive_profiling_stops_when_the_front_is_known_and_stays_stopped(
    tmp_path: Path,
) -> None:
    """One model is always right, the other never: few calls say so."""
    write(tmp_path, 60, SIZES)
    prices = tmp_path / "prices.csv"
    prices.write_text("model,input_per_mtok,output_per_mtok\nm1,1,1\nm2,1,1\n")
    options = ("--adaptive", "--tolerance", "0.05", "--prices", str(prices), "--budget-field", "b")

    def answer(body: dict[str, Any]) -> Reply:
        return Reply("ok" if body["model"] == "m1" else "wrong", delay_s=0.005)

    with endpoint(answer) as running:
        stopped = invoke(tmp_path, running.url, *options, "--max-calls", "6")
        assert stopped.exit_code == 0, stopped.output
        assert "limit reached: 6 calls" in stopped.output
        assert len(running.bodies) == 6
        first = invoke(tmp_path, running.url, *options)
        made = len(running.bodies)
        again = invoke(tmp_path, running.url, *options)
        assert len(running.bodies) == made
        assert max(running.asked().values()) <= 2  # The prompt is the same under both budgets.
    assert first.exit_code == 0, first.output
    assert "front known to" in first.output
    assert "complete" in first.output
    assert made < 240
    assert again.exit_code == 0, again.output
    assert {row["model"] for row in rows(tmp_path)} == {"m1", "m2"}
