"""What a traced value cannot do is said with the line and the construct to use instead."""

from __future__ import annotations

import re

import pytest

from flowir.workflow import WorkflowError, agent, fallback, workflow


@agent
def coder(task: str) -> str:
    """Do {task}"""


@pytest.mark.parametrize(
    ("misuse", "construct"),
    [
        (lambda x: 1 if x else 2, "branch"),
        (lambda x: not x, "branch"),
        (lambda x: x == "easy", "branch"),
        (lambda x: "a" in x, "branch"),
        (lambda x: len(x), "map_"),
        (lambda x: list(x), "map_"),
        (lambda x: f"{x}", "prompt"),
        (lambda x: str(x), "prompt"),
        (lambda x: x + "s", "concat"),
        (lambda x: x[0], "@tool"),
    ],
)
def test_a_look_at_a_traced_value_names_line_and_construct(misuse, construct):
    @workflow
    def wrong(task: str) -> str:
        misuse(coder(task))
        return task

    line = misuse.__code__.co_firstlineno
    with pytest.raises(WorkflowError, match=re.escape(f"{__file__}:{line}: ")) as caught:
        wrong.to_ir()
    assert construct in str(caught.value)


@pytest.mark.parametrize(
    ("template", "name"), [("Do {task} as {style}", "style"), ("Do it", "task"), ("Do {task", "{")]
)
def test_a_prompt_that_differs_from_the_parameters_is_an_error_at_definition(template, name):
    with pytest.raises(WorkflowError, match=re.escape(name)):

        @agent(prompt=template)
        def wrong(task: str) -> str: ...


def test_a_constant_operand_is_an_error():
    @workflow
    def wrong(task: str) -> str:
        return coder("a constant")

    with pytest.raises(WorkflowError, match="constant"):
        wrong.to_ir()


def test_a_value_from_inside_a_region_cannot_be_used_outside():
    kept = []

    @workflow
    def wrong(task: str) -> str:
        def tier():
            kept.append(coder(task))
            return kept[0]

        fallback(tier, until=coder)
        return coder(kept[0])

    with pytest.raises(WorkflowError, match="another region"):
        wrong.to_ir()
