"""Complete a Python function in one of five ways; `code_repair/code_repair.mlir` in Python."""

from flowir.examples.code_repair import tools
from flowir.workflow import agent, alternatives, fallback, tool, vote, workflow


@agent(
    system="You write Python. Answer with the complete function in one fenced code block.",
    models=[
        "gpt-3.5-turbo-0613",
        "gpt-3.5-turbo-1106",
        "gpt-3.5-turbo-0125",
        "gpt-4-0613",
        "gpt-4-1106-preview",
        "gpt-4-turbo-2024-04-09",
    ],
    baseline="gpt-4-0613",
    parser="code",
    metric="passes the hidden tests",
)
def coder(task: str) -> str:
    """Complete this function.

    {task}"""


visible_tests = tool(tools.visible_tests, effect="pure", latency=0.05, accepts=(0.99, 0.2, 0.9))
normalised = tool(tools.normalised, effect="pure")


@workflow
def code_repair(task: str) -> str:
    """One call, or one of four ways to spend more for a better answer."""

    def once():
        return coder(task)

    def retry():
        return fallback(lambda: coder(task), until=visible_tests, given=task, max=5)

    def cascade(*groups):
        tiers = [lambda group=group: coder.grouped(group)(task) for group in groups]
        return fallback(*tiers, until=visible_tests, given=task)

    def vote_of_three():
        drafts = [coder(task) for _ in range(3)]
        return vote(drafts, key=normalised)

    return alternatives(
        "strategy",
        {
            "once": once,
            "retry": retry,
            "cascade of two": lambda: cascade("first", "second"),
            "cascade of three": lambda: cascade("first", "second", "third"),
            "vote of three": vote_of_three,
        },
    )
