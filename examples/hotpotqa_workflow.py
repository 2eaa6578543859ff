"""FlowCompile's HotpotQA workflow (arXiv 2605.13647) in Python."""

from flowir.configuration import Configuration
from flowir.workflow import agent, alternatives, select, workflow

SPACE = {
    "models": ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"],
    "budgets": [50, 200, 800, 4000],
    "baseline": Configuration("qwen3-14b", 4000),
}


@agent(
    system="Answer the question from the passages, thinking step by step.",
    metric="token F1",
    **SPACE,
)
def answer_generate(question: str) -> str:
    """{question}"""


@agent(
    system="Several answers are given. Answer with the number of the best one.",
    metric="picks a right candidate",
    **SPACE,
)
def sc_ensemble(question: str, candidates: list[str]) -> str:
    """{question}

    {candidates}"""


@agent(
    system="Give the answer alone, as short as it can be.",
    metric="token F1",
    **SPACE,
)
def format_answer(question: str, answer: str) -> str:
    """{question}

    {answer}"""


@workflow
def hotpotqa(question: str) -> str:
    """Up to three answers, an ensemble, and a formatter that may be left out."""

    def structure(count, formatting):
        def body():
            answers = [answer_generate(question) for _ in range(count)]
            best = select(answers, by=sc_ensemble, given=question) if count > 1 else answers[0]
            return format_answer(question, best) if formatting else best

        return body

    return alternatives(
        "structure",
        {
            f"{count} answer{'s' * (count > 1)}{', formatted' * formatting}": structure(
                count, formatting
            )
            for formatting in (True, False)
            for count in (3, 2, 1)
        },
    )
