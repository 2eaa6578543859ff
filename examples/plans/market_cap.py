"""Search, search, ratio, answer: how much larger is one company's market capitalisation?

    python -m flowir.examples.plans.market_cap [--live MODEL] [--base-url URL]

The pages are stand-ins with round figures.
"""

from __future__ import annotations

import asyncio
import json
import sys

from flowir.examples.plans.asking import SEARCH_S, Example, main, tool_signature
from flowir.runtime.fetching import PlanTool
from flowir.runtime.replanning import Request

CAPITALISATION = {"Microsoft": 3000.0, "Apple": 3200.0, "Nvidia": 2500.0}
"""Billions of dollars, in round figures."""


async def search(company: str) -> dict[str, object]:
    """The market capitalisation of a company, with its unit."""
    await asyncio.sleep(SEARCH_S)
    found = next((name for name in CAPITALISATION if name.lower() in company.lower()), None)
    if found is None:
        raise LookupError(f"no page on {company}")
    return {"company": found, "value": CAPITALISATION[found], "unit": "billion USD"}


def ratio(a: float, b: float) -> float:
    """How many times b is a."""
    return round(a / b, 3)


TOOLS = {
    "search": PlanTool(
        tool_signature(search, "a company's market capitalisation: company, value, unit"), search
    ),
    "ratio": PlanTool(tool_signature(ratio, "a divided by b"), ratio),
}


def _plan(request: Request) -> str:
    return '1. search("Apple")\n2. search("Nvidia")\n3. ratio($1.value, $2.value)\n4. join()\n'


def _join(request: Request) -> str:
    times = json.loads(request.history.rsplit("Observation: ", 1)[1].splitlines()[0])
    return f"Action: Finish(Apple's market capitalisation is {times} times Nvidia's.)"


EXAMPLE = Example(
    "Market capitalisation",
    "How many times Nvidia's market capitalisation is Apple's?",
    TOOLS,
    _plan,
    _join,
)

if __name__ == "__main__":
    sys.exit(main(EXAMPLE))
