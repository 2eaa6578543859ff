"""From a Python workflow to a run, without files of IR or Python."""

from __future__ import annotations

import asyncio
from importlib.resources import files

from flowir.examples.code_repair_workflow import code_repair, coder
from flowir.runtime.llm import Completion, Usage
from flowir.workflow import vote, workflow

FOLDER = files("flowir.examples") / "code_repair"
TASK = 'def one():\n    """\n    >>> one()\n    1\n    """\n'
CODE = "def one():\n    return 1"


def test_explore_select_run():
    front = code_repair.explore(
        str(FOLDER / "observations.synthetic.csv"),
        str(FOLDER / "prices.csv"),
        draws=20,
        scenarios=32,
    )
    assert len(front.rows()) == len(front) > 1
    assert "<table>" in front._repr_mimebundle_()["text/html"]
    compiled = front.select(max_latency=3.0)
    models: list[str] = []

    async def llm(node, messages, *, model, **params):
        models.append(model)
        assert messages[-1]["content"].endswith(TASK)
        return Completion(f"```python\n{CODE}\n```", Usage(1, 1), None, model)

    result = asyncio.run(compiled.run(task=TASK, llm=llm))
    assert result.value.strip() == CODE
    assert models


def test_sites_come_from_variable_names_and_never_clash():
    @workflow
    def named(task: str) -> str:
        drafts = [coder(task) for _ in range(2)]
        a, b = coder(task), coder(task)
        drafts_1 = coder(task)
        return vote([*drafts, a, b, drafts_1])

    text = str(named.to_ir())
    for site in ("drafts", "drafts_1", "a", "b", "drafts_1_1", "vote"):
        assert text.count(f'at "{site}"') == 1
    assert text == str(named.to_ir())
