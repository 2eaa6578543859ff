"""FlowCompile's LiveCodeBench workflow (arXiv 2605.13647) in Python."""

from flowir.configuration import Configuration
from flowir.examples.code_repair.tools import visible_tests
from flowir.workflow import agent, alternatives, refine, select, tool, workflow

SPACE = {
    "models": ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"],
    "budgets": [200, 1500, 5000, 16000],
    "baseline": Configuration("qwen3-14b", 16000),
}


@agent(
    system="Write a Python program that solves the task. Answer with one fenced code block.",
    parser="code",
    metric="passes the hidden tests",
    **SPACE,
)
def code_generate(task: str) -> str:
    """{task}"""


@agent(
    system="Several programs are given. Answer with the number of the best one.",
    metric="picks a right candidate",
    **SPACE,
)
def sc_ensemble(task: str, candidates: list[str]) -> str:
    """{task}

    {candidates}"""


@agent(
    system="The program fails its tests. Answer with a mended one in a fenced code block.",
    parser="code",
    metric="passes the hidden tests",
    **SPACE,
)
def fix(task: str, program: str, feedback: str) -> str:
    """{task}

    {program}

    {feedback}"""


test = tool(visible_tests, name="test", effect="pure", latency=0.2, accepts=(1.0, 0.0))


@workflow
def livecodebench(task: str) -> str:
    """Up to three programs, an ensemble, and up to three repairs while the public tests fail."""

    def structure(programs, repairs):
        def body():
            written = [code_generate(task) for _ in range(programs)]
            best = select(written, by=sc_ensemble, given=task) if programs > 1 else written[0]
            if repairs == 0:
                return best
            return refine(
                best,
                lambda program, feedback: fix(task, program, feedback),
                until=test,
                given=task,
                max=repairs,
            )

        return body

    cases = {}
    for programs in (3, 2, 1):
        for repairs in (3, 2, 1, 0):
            words = f"{programs} program{'s' * (programs > 1)}"
            if repairs:
                words += f", {repairs} repair{'s' * (repairs > 1)}"
            cases[words] = structure(programs, repairs)
    return alternatives("structure", cases)
