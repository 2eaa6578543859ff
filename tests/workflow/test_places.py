"""What later passes find wrong with a traced workflow is said with its line of Python."""

from __future__ import annotations

import inspect

import pytest
from xdsl.dialects.builtin import FileLineColLoc

from flowir.dialects import flow
from flowir.errors import FlowirError, ProfileError
from flowir.workflow import (
    Label,
    WorkflowError,
    agent,
    alternatives,
    branch,
    fallback,
    map_,
    tool,
    vote,
    workflow,
)

ROWS = [
    {"sub_agent": name, "model": model, "query_id": query, "correct": query % 2, "latency_s": 1.0}
    for name in ("solve", "split")
    for model in ("small", "large")
    for query in range(6)
]


@agent(models=["small", "large"])
def solve(task: str) -> str:
    """{task}"""


@agent(models=["small", "large"])
def split(task: str) -> list[str]:
    """{task}"""


def line_of(text: str) -> int:
    """The only line of this file that ends in a comment."""
    lines = inspect.getsource(inspect.getmodule(line_of)).split("\n")  # type: ignore[arg-type]
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"  # {text}"))


def test_every_operation_has_the_line_that_wrote_it():
    @workflow
    def placed(task: str) -> str:
        parts = split(task)  # the split
        map_(
            lambda part: solve(part),  # the solve
            parts,
            max=3,
        )
        return alternatives(  # the choice
            "how",
            {"one": lambda: solve(task), "many": lambda: vote(solve(task), solve(task))},
        )

    found = {}
    for op in placed.to_ir().module.walk():
        if isinstance(op.location, FileLineColLoc):
            assert op.location.filename.data == __file__
            found.setdefault(type(op), []).append(op.location.line.data)
    assert found[flow.CallOp][:2] == [line_of("the split"), line_of("the solve")]
    assert found[flow.AlternativesOp] == [line_of("the choice")]
    assert found[flow.WorkflowOp] == [placed.function.__code__.co_firstlineno]
    assert (
        found[flow.AgentOp]
        == [
            number
            for number, line in enumerate(
                inspect.getsource(inspect.getmodule(line_of)).split("\n"), 1
            )
            if line.startswith("@agent")
        ][::-1]
    )


def test_the_verifier_names_the_line():
    @workflow
    def unrouted(task: str) -> str:
        return branch(  # the branch
            agent("route", prompt="{x}", output=Label)(task), {"easy": lambda: solve(task)}
        )

    with pytest.raises(WorkflowError, match="add an `else` case") as caught:
        unrouted.to_ir()
    assert str(caught.value).startswith(f"{__file__}:{line_of('the branch')}: flow.branch")


def test_exploration_names_the_line():
    """Inlining moves the list that counts by its mean out of the result; the map is at fault."""

    @workflow
    def inner(task: str) -> list[str]:
        return map_(solve, split(task), max=3, mean=True)  # the mean

    @workflow
    def outer(task: str) -> str:
        return solve(agent("merge", prompt="{parts}", models=["small"])(inner(task)))

    with pytest.raises(WorkflowError, match="mean") as caught:
        outer.explore(ROWS, draws=10, scenarios=16)
    assert str(caught.value).startswith(f"{__file__}:{line_of('the mean')}: ")


def test_a_checker_without_rates_is_named_with_its_line():
    @tool(effect="pure")  # the checker
    def fits(value: str) -> bool:
        return True

    @workflow
    def checked(task: str) -> str:
        return fallback(lambda: solve(task), until=fits, max=2)

    with pytest.raises(ProfileError, match="accepts") as caught:
        checked.explore(ROWS, draws=10, scenarios=16)
    assert str(caught.value).startswith(f"{__file__}:{line_of('the checker')}: checker @fits")


def test_a_space_that_leaves_nothing_is_named_with_its_call():
    @workflow
    def narrowed(task: str) -> str:
        return solve.within(["huge"])(task)  # the narrow call

    with pytest.raises(FlowirError, match="leaves nothing") as caught:
        narrowed.explore(ROWS, draws=10, scenarios=16)
    assert str(caught.value).startswith(f"{__file__}:{line_of('the narrow call')}: ")
