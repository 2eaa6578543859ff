"""Eight searches at once: which film is closest to a few others?

    python -m flowir.examples.plans.movie [--live MODEL] [--base-url URL]

The pages are stand-ins.
"""

from __future__ import annotations

import sys

from flowir.examples.plans.asking import Example, main, search_in
from flowir.runtime.replanning import Request

LIKED = ("Alien", "Blade Runner", "Solaris", "Stalker")
OFFERED = ("Moon", "Notting Hill", "Top Hat", "Rocky")
PAGES = {
    "Alien": "Alien (1979) is a science fiction film set on a spaceship.",
    "Blade Runner": "Blade Runner (1982) is a science fiction film set in a city of the future.",
    "Solaris": "Solaris (1972) is a science fiction film set on a space station.",
    "Stalker": "Stalker (1979) is a science fiction film set in a forbidden zone.",
    "Moon": "Moon (2009) is a science fiction film set on a lunar base.",
    "Notting Hill": "Notting Hill (1999) is a romantic comedy set in London.",
    "Top Hat": "Top Hat (1935) is a musical comedy with much dancing.",
    "Rocky": "Rocky (1976) is a drama about a boxer.",
}


def _plan(request: Request) -> str:
    calls = [f'{i}. search("{film}")\n' for i, film in enumerate((*LIKED, *OFFERED), 1)]
    return "".join([*calls, f"{len(calls) + 1}. join()\n"])


def _join(request: Request) -> str:
    kind = "science fiction"
    likely = next(
        film for film in OFFERED if kind in PAGES[film] and PAGES[film] in request.history
    )
    return f"Thought: all four liked are {kind}\nAction: Finish({likely} (2009))"


EXAMPLE = Example(
    "Movie",
    f"Which of {', '.join(OFFERED)} is most like {', '.join(LIKED)}?",
    {"search": search_in(PAGES)},
    _plan,
    _join,
)

if __name__ == "__main__":
    sys.exit(main(EXAMPLE))
