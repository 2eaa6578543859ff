"""What nobody reads still runs, waits and races by the same rules, interpreted and emitted."""

from __future__ import annotations

import pytest

from tests.backends.running import Script, emitted, run_emitted, run_interpreted
from tests.strategies_ir import entry, parse

HEAD = """
flow.agent @a prompt "<text> {x}" space <models = ["m"]>
flow.agent @l prompt "<label> {x}" -> !flow.label space <models = ["m"]>
flow.agent @c prompt "<verdict> {x}" space <models = ["m"]>
flow.workflow @w(%x: T) -> T {
  %one = flow.call @a(%x) at "one" : (T) -> T
  %two = flow.call @a(%one) at "two" : (T) -> T
"""
TAIL = "  flow.return %x : T\n}\n"

BODIES = {
    "a branch waits for what only a dead list in it reads": """
  %beside = flow.call @a(%x) at "beside" : (T) -> T
  %kind = flow.call @l(%x) : (T) -> !flow.label
  %case = flow.branch %kind : !flow.label -> T
    else {
      %list = flow.join all(%beside, %beside) : (T, T) -> !flow.list<T>
      %late = flow.call @a(%x) at "late" : (T) -> T
      flow.yield %late : T
    }
  %after = flow.call @a(%case) at "after" : (T) -> T
""",
    "a branch waits for what it gives, also if nobody reads that": """
  %beside = flow.call @a(%x) at "beside" : (T) -> T
  %kind = flow.call @l(%x) : (T) -> !flow.label
  %case = flow.branch %kind : !flow.label -> T
    "easy" {
      %late = flow.call @a(%x) at "late" : (T) -> T
      flow.yield %beside : T
    }
    else {
      %later = flow.call @a(%x) at "later" : (T) -> T
      flow.yield %beside : T
    }
""",
    "and for what is behind a vote that it gives": """
  %kind = flow.call @l(%x) : (T) -> !flow.label
  %most = flow.join vote(%one, %two) : (T, T) -> T
  %case = flow.branch %kind : !flow.label -> T
    else {
      %late = flow.call @a(%x) at "late" : (T) -> T
      flow.yield %most : T
    }
""",
    "a dead call of a quorum vote over one value": """
  %most = flow.join vote(%two) quorum : (T) -> T
  %late = flow.call @a(%most) at "late" : (T) -> T
""",
    "and in a branch": """
  %most = flow.join vote(%two) quorum : (T) -> T
  %kind = flow.call @l(%x) : (T) -> !flow.label
  %case = flow.branch %kind : !flow.label -> T
    else {
      %late = flow.call @a(%x) at "late" : (T) -> T
      flow.yield %most : T
    }
""",
    "a map waits for what nobody reads of it": """
  %beside = flow.call @a(%x) at "beside" : (T) -> T
  %start = flow.call @a(%x) at "start" : (T) -> T
  %items = flow.join all(%start, %x) : (T, T) -> !flow.list<T>
  %made = flow.map(%v) in %items : !flow.list<T> max 2 -> !flow.list<T> {
    %late = flow.call @a(%v) at "late" : (T) -> T
    flow.yield %beside : T
  }
""",
    "a refine waits before its first check": """
  %beside = flow.call @a(%x) at "beside" : (T) -> T
  %start = flow.call @a(%x) at "start" : (T) -> T
  %kept = flow.refine(%v, %why) from %start : T max 2 until @c {
    %list = flow.join all(%beside) : (T) -> !flow.list<T>
    flow.yield %v : T
  }
  %after = flow.call @a(%kept) at "after" : (T) -> T
""",
    "what a lane of one race reads is not cancelled by another": """
  %three = flow.call @a(%two) at "three" : (T) -> T
  %won = flow.join first(%two, %x) : (T, T) -> T
  %most = flow.join first(%three, %x) : (T, T) -> T
""",
    "nor by a vote": """
  %three = flow.call @a(%two) at "three" : (T) -> T
  %won = flow.join vote(%x, %two) quorum : (T, T) -> T
  %most = flow.join vote(%three, %x, %x) quorum : (T, T, T) -> T
""",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_interpreter_and_file_start_the_same_at_the_same_time(body: str) -> None:
    """Under several scripts: in which of two calls ends first they differ."""
    module = parse((HEAD + body + TAIL).replace("T", "!flow.text"))
    workflow = entry(module)
    file = emitted(module, workflow)
    for seed in range(4):
        expected = run_interpreted(workflow, ["the task"], Script(module, seed, 0))
        found = run_emitted(file, ["the task"], Script(module, seed, 0))
        assert found == expected
        assert found.value == "the task"


LISTS = """
flow.agent @lines prompt "<lines> {x}" -> !flow.list<T> space <models = ["m"]>
flow.workflow @w(%x: T) -> !flow.list<T> {
  %items = flow.call @lines(%x) at "items" : (T) -> !flow.list<T>
  %longer = flow.map(%v) in %items : !flow.list<T> max 1 -> !flow.list<T> {
    %made = flow.call @a(%v) at "made" : (T) -> T
    flow.yield %made : T
  }
  %same = flow.map(%w) in %items : !flow.list<T> max 1 -> !flow.list<T> {
    flow.yield %x : T
  }
  %all = flow.map(%u) in %longer : !flow.list<T> max 1 -> !flow.list<T> {
    %read = flow.call @both(%u, %same) at "read" : (T, !flow.list<T>) -> T
    flow.yield %read : T
  }
  flow.return %all : !flow.list<T>
}
"""


def test_of_two_lists_that_are_too_long_at_once_the_first_is_named() -> None:
    """Also where the second one's map makes no call, and could be written beside the tasks."""
    agents = """
flow.agent @a prompt "<text> {x}" space <models = ["m"]>
flow.agent @both prompt "<text> {x} {y}" space <models = ["m"]>
"""
    module = parse((agents + LISTS).replace("T", "!flow.text"))
    workflow = entry(module)
    file = emitted(module, workflow)
    failures = set()
    for seed in range(4):
        expected = run_interpreted(workflow, ["the task"], Script(module, seed, 0))
        found = run_emitted(file, ["the task"], Script(module, seed, 0))
        assert found == expected
        failures.add(found.failure)
    assert ("AnswerError", "longer") in failures
