"""FlowCompile's math workflow (arXiv 2605.13647) in Python."""

from flowir.configuration import Configuration
from flowir.examples.flowcompile.tools import extract as extract_answer
from flowir.workflow import agent, alternatives, select, tool, workflow

SPACE = {
    "models": ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"],
    "budgets": [200, 800, 2000, 8000],
    "baseline": Configuration("qwen3-14b", 8000),
}


@agent(
    system="Solve the problem step by step. End with the answer in \\boxed{{}}.",
    metric="numeric",
    **SPACE,
)
def detailed(question: str) -> str:
    """{question}"""


@agent(
    system="Solve the problem briefly. End with the answer in \\boxed{{}}.",
    metric="numeric",
    **SPACE,
)
def generate(question: str) -> str:
    """{question}"""


@agent(
    system="Write a Python program that prints the answer.",
    parser="code",
    metric="numeric",
    **SPACE,
)
def programmer(question: str) -> str:
    """{question}"""


@agent(
    system="Check the program against the question and give the mended solution with its answer.",
    metric="numeric",
    **SPACE,
)
def refine(question: str, program: str) -> str:
    """{question}

    {program}"""


@agent(
    system="Several solutions are given. Answer with the number of the best one.",
    metric="picks a right candidate",
    **SPACE,
)
def sc_ensemble(question: str, candidates: list[str]) -> str:
    """{question}

    {candidates}"""


extract = tool(extract_answer, effect="pure", latency=0.001)


@workflow
def math(question: str) -> str:
    """A detailed solution, up to two short ones and a program are candidates; one is picked."""

    def structure(long, shorts, program):
        def body():
            candidates = [detailed(question)] if long else []
            candidates += [generate(question) for _ in range(shorts)]
            if program:
                code = programmer(question)
                candidates.append(refine(question, code) if program == "refined program" else code)
            if len(candidates) == 1:
                return candidates[0]
            return select(candidates, by=sc_ensemble, given=question)

        return body

    cases = {}
    for long in ("detailed", ""):
        for shorts in (2, 1, 0):
            for program in ("refined program", "program", ""):
                short = ("", "generate", "2 generate")[shorts]
                parts = [part for part in (long, short, program) if part]
                if parts:
                    cases[" + ".join(parts)] = structure(long, shorts, program)
    solution = alternatives("structure", cases)
    return extract(solution)
