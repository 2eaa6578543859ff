"""Data sets of inner sub-agents, from runs of a whole workflow against a real endpoint.

The models are scripted, so what is right anywhere in a run is known without the profiler: a plan is
right iff it says `double`, and the last answer iff it is twice the number asked for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowir.calculus.from_ir import workflow_terms
from flowir.cost import FitOptions, fit
from flowir.profile import read_observations
from flowir.profiler.workflow import subject_from
from flowir.source.workflows import read_ir
from tests.profiler.commands import invoke, rows, write
from tests.profiler.endpoint import Reply, endpoint, error, prompt

CHAIN = """
flow.agent @planner prompt "Plan for {task}" space <models = ["good", "weak"]>
flow.agent @solver prompt "Task {task} by {plan}" space <models = ["good", "weak"]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %plan = flow.call @planner(%task) : (!flow.text) -> !flow.text
  %answer = flow.call @solver(%task, %plan) : (!flow.text, !flow.text) -> !flow.text
  flow.return %answer : !flow.text
}
"""
QUERIES = 12
NUMBERS = [{"id": f"q{n}", "task": str(n), "expected": str(2 * n)} for n in range(1, QUERIES + 1)]


def model(body: dict[str, Any]) -> Reply:
    """`weak` plans wrongly on odd numbers; `good` recovers from that on multiples of three, and
    fails on twelve."""
    words = prompt(body).split()
    if words[0] == "Plan":
        odd = int(words[2]) % 2 == 1
        return Reply("treble" if odd and body["model"] == "weak" else "double")
    number, plan = int(words[1]), words[3]
    if number == 12:
        return Reply("1")
    recovers = body["model"] == "good" and number % 3 == 0
    return Reply(str(number * (2 if plan == "double" or recovers else 3)))


def observed(folder: Path, agent: str, name: str, input_correct: bool) -> dict[str, float | None]:
    """`correct` by query, of one arm."""
    return {
        row.query: row.correct
        for row in read_observations(folder / "p.sqlite").rows()
        if (row.agent, row.configuration.model, row.input_correct) == (agent, name, input_correct)
    }


def test_inner_agents_are_measured_on_right_and_on_wrong_inputs(tmp_path: Path) -> None:
    write(tmp_path, NUMBERS, CHAIN)
    sets = tmp_path / "sets"
    with endpoint(model) as running:
        result = invoke(tmp_path, running.url, "--reference", "good", "--datasets", str(sets))
        assert result.exit_code == 0, result.output
        before = len(running.bodies)
        again = invoke(tmp_path, running.url, "--reference", "good")
        assert again.exit_code == 0
        assert len(running.bodies) == before
    # The reference fails on the twelfth query, so nothing is known of what it planned there.
    planned = {f"q{n}": 1.0 for n in range(1, 12)}
    assert observed(tmp_path, "planner", "good", True) == planned
    weak = {f"q{n}": float(n % 2 == 0) for n in range(1, 12)}
    assert observed(tmp_path, "planner", "weak", True) == weak
    # The solver writes the answer, which has labels. Odd numbers give it a wrong plan too.
    odd = [n for n in range(1, 12) if n % 2]
    recovery = {f"q{n}": float(n % 3 == 0) for n in odd}
    assert observed(tmp_path, "solver", "good", False) == recovery
    assert observed(tmp_path, "solver", "weak", False) == {f"q{n}": 0.0 for n in odd}
    right = observed(tmp_path, "solver", "good", True)
    assert {q: c for q, c in right.items() if q != "q12"} == planned
    approved = {
        line.split()[0]: line.split() for line in result.output.splitlines() if line.split()
    }
    assert approved["planner"][1:4] == ["12", "11", "92%"]
    assert "11 of 12 runs of the reference ended right" in result.output
    written = [json.loads(line) for line in (sets / "solver.jsonl").read_text().splitlines()]
    assert sum(not row["input_correct"] for row in written) == len(odd)
    assert {row["expected"] for row in written if row["id"] == "q3"} == {"6"}
    # Labels are no proxy; the reference's plans are one.
    assert {row["proxy"] for row in rows(tmp_path) if row["sub_agent"] == "solver"} == {""}
    proxies = {r["proxy"] for r in rows(tmp_path) if r["sub_agent"] == "planner" and r["judge"]}
    assert proxies == {"answers of good in runs that ended right"}


def test_without_labels_agreement_stands_in_and_every_output_says_so(tmp_path: Path) -> None:
    """Two of three answers agree, except on q4, where none do."""
    bare = [{"id": row["id"], "task": row["task"]} for row in NUMBERS[:5]]
    write(tmp_path, bare)
    seen: dict[str, int] = {}

    def answer(body: dict[str, Any]) -> Reply:
        if body["model"] != "m1":
            return Reply("same")
        text = prompt(body)
        seen[text] = seen.get(text, 0) + 1
        return Reply("same" if seen[text] % 3 and text != "Say: 4" else f"other {seen[text]}")

    with endpoint(answer) as running:
        options = ("--reference", "m1", "--models", "m1,m2")
        result = invoke(tmp_path, running.url, *options)
    assert result.exit_code == 0, result.output
    assert "accuracy means agreement" in result.output
    assert "1 queries are left out" in result.output
    observations = read_observations(tmp_path / "p.sqlite")
    assert observations.proxies == ("agreement of 3 answers of m1",)
    assert observed(tmp_path, "x", "m2", True) == {f"q{n}": 1.0 for n in (1, 2, 3, 5)}
    assert all(row.proxy for row in observations.rows())


def test_a_failing_endpoint_is_no_wrong_run(tmp_path: Path) -> None:
    """Runs that break are left out and made again; approval counts those that ended."""
    write(tmp_path, NUMBERS[:4], CHAIN)
    broken = {"on": True}

    def answer(body: dict[str, Any]) -> Reply:
        text = prompt(body)
        return error(400, "too long") if broken["on"] and text == "Plan for 2" else model(body)

    options = ("--reference", "good", "--retries", "0")
    with endpoint(answer) as running:
        first = invoke(tmp_path, running.url, *options)
        broken["on"] = False
        second = invoke(tmp_path, running.url, *options)
    assert first.exit_code == 1
    assert "runs failed and are left out" in first.output
    assert "2 runs of the workflow are still to be made" in first.output
    assert "3 of 3 runs of the reference ended right" in first.output
    assert "4 of 4 runs of the reference ended right" in second.output
    assert second.exit_code == 0
    assert observed(tmp_path, "planner", "good", True) == {f"q{n}": 1.0 for n in range(1, 5)}


CHECKED = """
flow.agent @solver prompt "Solve {task}" space <models = ["good", "weak"]>
flow.agent @critic prompt "Check {task}: {answer}" space <models = ["good", "weak"]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %kept = flow.fallback until @critic(%task : !flow.text) max 2 -> !flow.text {
    %try = flow.call @solver(%task) : (!flow.text) -> !flow.text
    flow.yield %try : !flow.text
  }
  flow.return %kept : !flow.text
}
"""


def test_verdicts_say_what_was_judged(tmp_path: Path) -> None:
    """Rows of a critic: accept or reject, and whether what it saw was right."""
    write(tmp_path, NUMBERS[:6], CHECKED)

    def answer(body: dict[str, Any]) -> Reply:
        words = prompt(body).split()
        if words[0] == "Solve":
            number = int(words[1])
            return Reply(str(number * (3 if body["model"] == "weak" and number % 2 else 2)))
        right = int(words[2]) == 2 * int(words[1][:-1])
        return Reply("ACCEPT" if right or body["model"] == "weak" else "REJECT: no")

    with endpoint(answer) as running:
        result = invoke(tmp_path, running.url, "--reference", "good")
    assert result.exit_code == 0, result.output
    seen = {
        (row.configuration.model, row.input_correct, row.answer)
        for row in read_observations(tmp_path / "p.sqlite").rows()
        if row.agent == "critic"
    }
    assert seen == {
        ("good", True, "accept"),
        ("good", False, "reject"),
        ("weak", True, "accept"),
        ("weak", False, "accept"),
    }
    assert all(
        row.correct is None
        for row in read_observations(tmp_path / "p.sqlite").rows()
        if row.agent == "critic"
    )


CHOSEN = """
flow.agent @solver prompt "Solve {task}" space <models = ["good", "weak"]>
flow.agent @picker prompt "Pick for {task}: {answers}" space <models = ["good", "weak"]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "how" -> !flow.text
    "once" {
      %one = flow.call @solver(%task) : (!flow.text) -> !flow.text
      flow.yield %one : !flow.text
    }
    "best of two" {
      %a = flow.call @solver(%task) : (!flow.text) -> !flow.text
      %b = flow.call @solver(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%a, %b) by @picker(%task : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
  flow.return %answer : !flow.text
}
"""


def test_a_selector_in_another_structure_is_reached_and_judged_by_what_it_picks(
    tmp_path: Path,
) -> None:
    """`good` solves right every other time it is asked; `weak` never does and picks the first."""
    write(tmp_path, NUMBERS[:6], CHOSEN)
    asked: dict[str, int] = {}

    def answer(body: dict[str, Any]) -> Reply:
        text = prompt(body)
        if text.startswith("Solve"):
            number = int(text.split()[1])
            asked[text] = asked.get(text, 0) + 1
            right = body["model"] == "good" and asked[text] % 2
            return Reply(str(2 * number if right else 0))
        number = int(text.split()[2][:-1])
        lines = text.splitlines()
        listed = [line.split()[-1] for line in lines]
        if body["model"] == "good" and str(2 * number) in listed:
            return Reply(str(listed.index(str(2 * number)) + 1))
        return Reply("1")

    with endpoint(answer) as running:
        options = ("--reference", "good", "--reference-runs", "2", "--mistakes-by", "weak")
        result = invoke(tmp_path, running.url, *options)
    assert result.exit_code == 0, result.output
    picks = [
        row for row in read_observations(tmp_path / "p.sqlite").rows() if row.agent == "picker"
    ]
    by_good = {
        (row.input_correct, row.correct) for row in picks if row.configuration.model == "good"
    }
    assert by_good == {(True, 1.0), (False, 0.0)}
    assert {row.query for row in picks} == {f"q{n}" for n in range(1, 7)}


def test_a_tool_that_writes_is_not_run_unasked(tmp_path: Path) -> None:
    text = CHAIN.replace(
        "flow.workflow", 'flow.tool @send impl "os:remove" -> !flow.text\nflow.workflow'
    ).replace(
        "flow.return %answer",
        """%sent = flow.call @send(%answer) : (!flow.text) -> !flow.text
  flow.return %sent""",
    )
    write(tmp_path, NUMBERS[:2], text)
    with endpoint(model) as running:
        result = invoke(tmp_path, running.url, "--reference", "good")
        assert running.bodies == []
    assert result.exit_code == 1
    assert "@send writes to the world" in result.output


def test_a_model_judges_by_a_rubric_and_an_unclear_verdict_is_no_wrong_answer(
    tmp_path: Path,
) -> None:
    write(tmp_path, 4)
    (tmp_path / "rubric.txt").write_text("It must be polite.")

    def answer(body: dict[str, Any]) -> Reply:
        text = prompt(body)
        if body["model"] != "judge":
            return Reply(f"answer to {text[-1]}")
        assert text.startswith("It must be polite.")
        shown = json.loads(text[text.index("{") :])
        number = shown["answer"][-1]
        return Reply({"0": "ACCEPT", "1": "REJECT\nrude", "2": "Hm.", "3": "accept, fine"}[number])

    with endpoint(answer) as running:
        options = ("--models", "m1", "--judge", "llm", "--judge-model", "judge")
        result = invoke(tmp_path, running.url, *options, "--rubric", str(tmp_path / "rubric.txt"))
    assert observed(tmp_path, "x", "m1", True) == {"q0": 1.0, "q1": 0.0, "q2": None, "q3": 1.0}
    assert "1 answers could not be judged" in result.output


TESTED = """
flow.agent @solver prompt "Solve {task}" space <models = ["good", "weak"]>
flow.tool @even impl "tests.profiler.checkers:even" -> !flow.bool effect pure RATES
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "how" -> !flow.text
    "once" {
      %one = flow.call @solver(%task) : (!flow.text) -> !flow.text
      flow.yield %one : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @even(%task : !flow.text) max 3 -> !flow.text {
        %try = flow.call @solver(%task) : (!flow.text) -> !flow.text
        flow.yield %try : !flow.text
      }
      flow.yield %kept : !flow.text
    }
  flow.return %answer : !flow.text
}
"""


@pytest.mark.parametrize("labelled", [True, False])
def test_verdicts_of_a_tool_are_rows_that_say_what_was_judged(
    tmp_path: Path, labelled: bool
) -> None:
    """The tool accepts even numbers: every right answer, and on even queries wrong ones too.

    `weak` writes three times the number; the tool states no rates, so the structure with it is run.
    """
    data = [{k: v for k, v in row.items() if labelled or k != "expected"} for row in NUMBERS[:6]]
    write(tmp_path, data, TESTED.replace("RATES", ""))

    def answer(body: dict[str, Any]) -> Reply:
        number = int(prompt(body).split()[1])
        return Reply(str(number * (3 if body["model"] == "weak" else 2)))

    with endpoint(answer) as running:
        options = ("--reference", "good", "--mistakes-by", "weak")
        result = invoke(tmp_path, running.url, *options)
        assert result.exit_code == 0, result.output
        asked = len(running.bodies)
        first = rows(tmp_path)
        assert invoke(tmp_path, running.url, *options).exit_code == 0
        assert len(running.bodies) == asked
        assert rows(tmp_path) == first
    found = [
        (row.query, row.input_correct, row.answer, row.proxy)
        for row in read_observations(tmp_path / "p.sqlite").rows()
        if row.agent == "even"
    ]
    proxy = None if labelled else "agreement of 6 answers of good"
    right = [(f"q{n}", True, "accept", proxy) for n in range(1, 7)] * (1 if labelled else 3)
    # An odd query's wrong answer is rejected twice; the third try is not checked.
    wrong = [
        (f"q{n}", False, "reject" if n % 2 else "accept", proxy)
        for n in range(1, 7)
        for _ in range(2 if n % 2 else 1)
    ]
    assert sorted(found, key=str) == sorted([*right, *wrong], key=str)
    assert f"tool even accepted {len(right)} of {len(right)} right and 3 of 9 wrong" in (
        result.output
    )
    # Verdicts are no calls: nobody was asked for them.
    calls = [row for row in first if row["purpose"] != "tool"]
    assert f"{len(calls)} in {tmp_path / 'p.sqlite'}" in result.output.replace("\n", "")
    assert len(calls) == asked


def test_a_tool_that_states_its_rates_needs_no_runs_of_its_own(tmp_path: Path) -> None:
    rates = "accepts <right = 1.0, wrong = 0.5, persistence = 0.9>"
    write(tmp_path, NUMBERS[:2], TESTED.replace("RATES", rates))
    with endpoint(lambda body: Reply("2")) as running:
        result = invoke(tmp_path, running.url, "--reference", "good")
    assert result.exit_code == 0, result.output
    assert "tool even" not in result.output


@pytest.mark.slow  # It fits the cost model.
def test_learned_rates_of_a_tool_are_those_it_showed(tmp_path: Path) -> None:
    """From the endpoint to scenarios: no rates stated, none assumed."""
    data = [{"id": f"q{n}", "task": str(n), "expected": str(2 * n)} for n in range(1, 41)]
    write(tmp_path, data, TESTED.replace("RATES", ""))

    def answer(body: dict[str, Any]) -> Reply:
        number = int(prompt(body).split()[1])
        return Reply(str(number * (3 if body["model"] == "weak" else 2)))

    with endpoint(answer) as running:
        options = ("--reference", "good", "--mistakes-by", "weak", "--concurrency", "16")
        assert invoke(tmp_path, running.url, *options).exit_code == 0
    observations = read_observations(tmp_path / "p.sqlite")
    model = fit(observations, options=FitOptions(points=21, draws=32))
    terms = workflow_terms(subject_from(read_ir(str(tmp_path / "w.mlir"))).workflow)
    checker = model.scenarios(terms, draws=32, queries=40, population=False).checkers["even"]
    assert checker.accept_right.mean() > 0.9
    # 20 even queries accepted, 20 odd ones rejected twice.
    assert 0.35 < checker.accept_wrong.mean() < 0.65
