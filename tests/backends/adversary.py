"""Runs emitted files on hostile answers under an audit hook: `python adversary.py FILE...`.

Prints the events that nothing in a run should cause: code compiled or executed, modules imported,
files opened, processes started.
"""

from __future__ import annotations

import asyncio
import json
import sys
from types import ModuleType
from typing import Any

FORBIDDEN = {"compile", "exec", "import", "open", "os.system", "subprocess.Popen", "os.exec"}

HOSTILE = [
    "__import__('os').system('touch pwned')",
    "os:system",
    "{ctx.llm.__class__.__init__.__globals__}",
    "{0.__class__.__mro__}",
    "%(x)s %s ${x} $x {x!r:>99999999}",
    "../../../../etc/passwd",
    "ACCEPT {}",
    "REJECT {0}",
    "easy {x}",
    '["{x}", "__import__(\'os\')"]',
    '{"__class__": "os.system", "py/object": "os.system"}',
    "```python\nimport os; os.system('touch pwned')\n```",
    "1",
    "!!python/object/apply:os.system ['touch pwned']",
]

events: list[str] = []
watching = False


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Remember what should not happen."""
    if watching and event in FORBIDDEN:
        events.append(f"{event} {str(arguments)[:200]}")


def load(path: str) -> ModuleType:
    """Import a file by its path."""
    module = ModuleType("emitted")
    sys.modules["emitted"] = module
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), module.__dict__)
    return module


def attack(file: ModuleType, inputs: dict[str, Any], kinds: dict[str, str], shift: int) -> None:
    """One run on which every answer, of models and tools, is hostile."""
    count = iter(range(10**6))

    def next_text() -> str:
        return HOSTILE[(shift + next(count)) % len(HOSTILE)]

    async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Any:
        return file.Completion(next_text(), file.Usage(1, 1, 1), model)

    def tool(kind: str) -> Any:
        async def give(*values: Any) -> Any:
            text = next_text()
            given = {"!flow.bool": len(text) % 2 == 0, "!flow.list<!flow.text>": [text, text]}
            return given.get(kind, text)

        return give

    tools = {name: tool(kind) for name, kind in kinds.items()}
    try:
        asyncio.run(file.run(inputs, llm=llm, tools=tools))
    except file.WorkflowError:
        return


def main(paths: list[str]) -> None:
    """Attack each file, once to get lazy imports done, and then for the record."""
    global watching
    sys.addaudithook(hook)
    for path in paths:
        file = load(path)
        with open(path + ".json", encoding="utf-8") as given:
            inputs, kinds = json.load(given)
        for shift in range(len(HOSTILE)):
            watching = shift > 0
            attack(file, inputs, kinds, shift)
            watching = False
    print(json.dumps(events))


if __name__ == "__main__":
    main(sys.argv[1:])
