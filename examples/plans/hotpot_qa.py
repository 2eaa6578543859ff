"""Two searches and a comparison: questions in the manner of HotpotQA.

python -m flowir.examples.plans.hotpot_qa [--live MODEL] [--base-url URL]
"""

from __future__ import annotations

import sys

from flowir.examples.plans.asking import Example, main, search_in
from flowir.runtime.replanning import Request

PAGES = {
    "Ada Lovelace": "Ada Lovelace (1815–1852) was a mathematician, born in London.",
    "Charles Babbage": "Charles Babbage (1791–1871) was an inventor, born in London.",
}


def _plan(request: Request) -> str:
    return '1. search("Ada Lovelace")\n2. search("Charles Babbage")\n3. join()\n'


def _join(request: Request) -> str:
    both = request.history.count("born in London") == 2
    return f"Action: Finish({'yes' if both else 'no'})"


EXAMPLE = Example(
    "HotpotQA",
    "Were Ada Lovelace and Charles Babbage born in the same city?",
    {"search": search_in(PAGES)},
    _plan,
    _join,
)

if __name__ == "__main__":
    sys.exit(main(EXAMPLE))
