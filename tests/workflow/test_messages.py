"""What a program of the front end does wrong is said with its line, and with the mend.

The line that has to be named ends in `# here`; without one the message has no line of its own.
"""

from __future__ import annotations

import operator

import pytest

from flowir.workflow import Workflow, WorkflowError, workflow

HEAD = '''
from typing import Literal

from flowir.workflow import *


@agent(models=["small", "large"])
def coder(task: str) -> str:
    """Do {task}"""


@agent
def route(task: str) -> Label:
    """{task}"""


@agent
def judge(task: str, candidates: list[str]) -> str:
    """{task} {candidates}"""


@agent
def critic(task: str, answer: str) -> bool:
    """{task} {answer}"""


@tool(effect="pure")
def tests(task: str, answer: str, limit: int = 3) -> bool:
    return True


@tool
def words(text: str) -> list[str]:
    return text.split()


'''
OPEN = "@workflow\ndef w(task: str) -> str:\n"


def w(*lines: str) -> str:
    return OPEN + "".join(f"    {line}\n" for line in lines)


LOOKS = {
    "if": (w("if coder(task):  # here", "    return task", "return task"), "use branch(label"),
    "while": (w("while not coder(task):  # here", "    pass", "return task"), "refine(..., until="),
    "and": (w("return coder(task) and task  # here"), "use branch(label"),
    "==": (w('return {True: task}[route(task) == "easy"]  # here'), "use branch(label"),
    "match": (w("match route(task):", "    case 'easy':  # here", "        return task"), "branch"),
    "<": (w("return max(coder(task), coder(task))  # here"), "use branch(label"),
    "in": (w('x = "a" in coder(task)  # here', "return task"), "use branch(label"),
    "len": (w("x = len(words(task))  # here", "return task"), "use map_(body, items, max=N)"),
    "for": (w("for x in words(task):  # here", "    pass", "return task"), "use map_"),
    "unpacking": (w("a, b = words(task)  # here", "return a"), "use map_"),
    "star": (w("return vote(*words(task))  # here"), "use map_"),
    "comprehension": (w("return vote([coder(x) for x in words(task)])  # here"), "use map_"),
    "f-string": (w('return coder(f"{task}!")  # here'), "whose prompt has a variable for it"),
    "format": (w('return coder("{}".format(task))  # here'), "whose prompt has a variable for it"),
    "+": (w('return coder(task + "!")  # here'), "concat(...)"),
    "join": (w('x = "".join(words(task))  # here', "return task"), "map_"),
    "index": (w("return words(task)[0]  # here"), "write a @tool that does it"),
    "method": (w("return coder(task).strip()  # here"), "write a @tool that does it"),
    "int": (w("x = range(int(coder(task)))  # here", "return task"), "write a @tool"),
}
"""What a traced value cannot do, and the construct to use."""

INPUTS = {
    "too few": (w("return coder()  # here"), "coder takes (task); task is missing"),
    "too many": (w("return coder(task, task)  # here"), "coder takes (task), and 2 values"),
    "misspelt": (w("return coder(tsak=task)  # here"), "no tsak; did you mean task?"),
    "twice": (w("return coder(task, task=task)  # here"), "task is given by position and by name"),
    "a gap": (
        w("x = tests(task, limit=task)  # here", "return task"),
        "tests takes (task, answer, limit); answer is missing",
    ),
    "a constant": (w('return coder("do it")  # here'), "make it an input of the workflow"),
    "a list for a text": (
        w("return coder(words(task))  # here"),
        "input task of coder is a str, and is given a list[str]",
    ),
    "a list of Python": (w("return coder([task])  # here"), "which no step makes; write"),
    "a branch on a text": (w("return branch(task, {'x': lambda: task})  # here"), "-> Label, or"),
    "texts for a map": (
        w("return concat(map_(lambda x: x, task, max=3))  # here"),
        "map_ goes through a list, not !flow.text",
    ),
    "joined types": (w("return vote(task, words(task))  # here"), "make them one type"),
    "the last case missing": (
        w("return branch(route(task), {'x': lambda: task})  # here"),
        "add an `else` case",
    ),
    "weights": (
        w("return branch(route(task), {'x': lambda: task}, weights={'y': 1})  # here"),
        "weights for ['y'], cases are ['x']",
    ),
    "cases that are no functions": (
        w("return alternatives('a', {'x': task})  # here"),
        "write `lambda: …` around it",
    ),
    "cases without labels": (
        w("return alternatives('a', [lambda: task])  # here"),
        'given by label: {"label": function, …}',
    ),
    "no cases": (w("return alternatives('a', {})  # here"), "give at least one"),
    "no values": (w("return vote([])  # here"), "give at least one value"),
    "no tiers": (w("return fallback(until=tests)  # here"), "give at least one function"),
    "no bound": (
        w("return refine(task, lambda v, f: v, until=tests, max=0, given=task)  # here"),
        "max=0; it takes a whole number, 1 or more",
    ),
    "a checker that is a function": (
        w("return fallback(lambda: task, until=lambda x: True)  # here"),
        "declare it as one",
    ),
    "a selector that is a tool": (w("return select(task, task, by=tests)  # here"), "an agent"),
    "a key that is an agent": (w("return vote(task, task, key=coder)  # here"), "with @tool"),
    "a checker given too little": (
        w("return fallback(lambda: task, until=critic, max=2)  # here"),
        "until= gives it what given= names, here 0, and then the value: 1 together",
    ),
    "a checker of other values": (
        w(
            "x = refine(words(task), lambda v, f: v, until=critic, given=task, max=2)  # here",
            "return task",
        ),
        "input answer of critic is a str, and is given a list[str]",
    ),
    "a selector of single candidates": (
        w("return select(task, task, by=critic, given=task)  # here"),
        "is a str, and is given a list[str]",
    ),
    "a body with too few inputs": (
        w("return refine(task, lambda value: value, until=tests, given=task, max=2)  # here"),
        "the body takes (value), but is given 2 values",
    ),
    "nothing returned": (w("coder(task)"), "what w returns is None"),
    "another type returned": (w("return words(task)").replace("@w", "@w", 1), "returns !flow.list"),
    "delays": (w("return first(task, coder(task), after=[1, 2])  # here"), "let one start at once"),
}

DECLARATIONS = {
    "a variable without a parameter": (
        '@agent(prompt="Do {task} as {style}")  # here\ndef a(task: str) -> str: ...\n',
        "the prompt uses {style}, but there is no parameter style",
    ),
    "a parameter without a variable": (
        '@agent(prompt="Do it")  # here\ndef a(task: str) -> str: ...\n',
        "write {task} where it belongs, or remove it",
    ),
    "a template that does not read": (
        '@agent(prompt="Do {task")  # here\ndef a(task: str) -> str: ...\n',
        "write {name} for a variable and double a brace that is text",
    ),
    "no prompt": ("@agent  # here\ndef a(task: str) -> str: ...\n", "write it as the docstring"),
    "no prompt by name": ('agent("a")  # here\n', "no prompt; give prompt="),
    "a default": (
        '@agent(prompt="{task}")  # here\ndef a(task: str = "x") -> str: ...\n',
        "remove the default, or write the value into the prompt",
    ),
    "any number of inputs": (
        '@agent(prompt="{task}")  # here\ndef a(*task: str) -> str: ...\n',
        "takes any number; name each input",
    ),
    "a hint without counterpart": (
        '@agent(prompt="{task}")  # here\ndef a(task: bytes) -> str: ...\n',
        "use str, bool, Label",
    ),
    "a hint that is nowhere": (
        '@agent(prompt="{task}")  # here\ndef a(task: "Strin") -> str: ...\n',
        "a type hint does not resolve",
    ),
    "an unknown parser": (
        'agent("a", prompt="{task}", parser="yaml")  # here\n',
        "use one of text, code, json, lines, label",
    ),
    "an unknown field of a model": (
        'agent("a", prompt="x", models={"m": {"budget": [1]}})  # here\n',
        "model m has no 'budget'; write budgets or params",
    ),
    "a model twice": ('agent("a", prompt="x", models=["m", "m"])  # here\n', "listed twice"),
    "an unknown effect": (
        '@tool(effect="none")  # here\ndef t(x: str) -> bool: ...\n',
        "use one of pure, reads, writes",
    ),
    "a rate that is none": (
        '@tool(accepts=(1.5, 0.1))  # here\ndef t(x: str) -> bool: ...\n',
        "must lie in [0, 1]",
    ),
    "one rate": (
        '@tool(accepts=(0.5,))  # here\ndef t(x: str) -> bool: ...\n',
        "give (right, wrong[, persistence])",
    ),
    "a tool by name only": (
        "@tool  # here\ndef t(*, x: str) -> bool: ...\n",
        "move it before the *",
    ),
    "a lambda without a name": ("tool(lambda x: x)  # here\n", "give name= and impl="),
    "a name of two things": (
        '@tool\ndef coder2(task: str) -> str: ...\n\nother = agent("coder2", prompt="{x}")\n\n'
        + w("return other(coder2(task))  # here"),
        "two different declarations are named coder2",
    ),
    "agents declared in a loop": (
        w("drafts = []", 'for style in ("short", "long"):',
          '    writer = agent("writer", prompt="{task} " + style)',
          "    drafts.append(writer(task))  # here", "return vote(drafts)"),
        "two different declarations are named writer",
    ),
    "a workflow named as an agent": (
        '@workflow\ndef helper(task: str) -> str:\n    return task\n\n'
        'other = agent("helper", prompt="{x}")\n\n' + w("return other(helper(task))  # here"),
        "rename one",
    ),
    "a workflow that calls itself": (w("return w(task)"), "w → w"),
    "workflows in a circle": (
        "@workflow\ndef v(task: str) -> str:\n    return w(task)\n\n" + w("return v(task)"),
        "w → v → w",
    ),
    "an async workflow": (
        "@workflow  # here\nasync def a(task: str) -> str:\n    return task\n",
        "write `def` and `return`",
    ),
    "a call outside": ("coder('x')  # here\n", "call it in a @workflow function"),
    "a construct outside": ("vote([])  # here\n", "call it in a @workflow function"),
    "a value from a region": (
        w("kept = []", "def tier():", "    kept.append(coder(task))", "    return kept[0]",
          "fallback(tier, until=tests, given=task)", "return coder(kept[0])  # here"),
        "return it from that region",
    ),
    "a value from another trace": (
        "kept = []\n\n"
        + w("kept.append(coder(task))", "return coder(kept[0])  # here")
        + "\nw.to_ir()\n",
        "made inside another region or workflow",
    ),
}  # fmt: skip

CASES = {**LOOKS, **INPUTS, **DECLARATIONS}


@pytest.mark.parametrize("kind", CASES)
def test_a_mistake_names_its_line_and_the_mend(kind, tmp_path):
    body, mend = CASES[kind]
    source = HEAD + body
    file = tmp_path / "program.py"
    file.write_text(source)
    names = {"__name__": "program"}

    def trace():
        exec(compile(source, str(file), "exec"), names)
        found = names["w"]
        assert isinstance(found, Workflow)
        found.to_ir()

    with pytest.raises(WorkflowError) as caught:
        trace()
    message = str(caught.value)
    assert mend in message
    lines = [n for n, line in enumerate(source.split("\n"), 1) if line.endswith("# here")]
    for line in lines:
        assert message.startswith(f"{file}:{line}: ")


CONTAINERS = ("contains", "countOf", "indexOf", "getitem", "delitem", "setitem")
UNARY = ("neg", "pos", "abs", "inv", "invert", "index", "not_", "truth")
OTHER = ("is_", "is_not", "call", "length_hint", "concat", "iconcat")
OPERATORS = {
    name: function
    for name, function in vars(operator).items()
    if not name.startswith("_") and name not in OTHER and not isinstance(function, type)
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("place", [0, 1])
def test_every_operator_on_a_traced_value_is_refused(name, place):
    if place and name in UNARY:
        return

    @workflow
    def wrong(task: str) -> str:
        given = [[1] if name in CONTAINERS else 1, *[1] * (name not in UNARY)]
        given[place] = task
        return OPERATORS[name](*given, *[1] * (name == "setitem"))

    with pytest.raises(WorkflowError, match="traced value"):
        wrong.to_ir()
