"""Design-space exploration: exactness, speed and memory, regret, peers, and how cost grows.

    python -m benchmarks.search [--quick] [--seed N] [--json FILE] [--only PART ...]

Times are CPU seconds of one thread, medians. Observations are synthetic or made up, and every
figure says so. A plot is written beside the JSON, or under out/.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Figures, arguments, write_json
from benchmarks.search_exact import exact
from benchmarks.search_growth import growth
from benchmarks.search_peers import peers
from benchmarks.search_scenario import scenario

PARTS = ("exact", "scenario", "peers", "growth")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args()
    plot = asked.json.with_suffix(".png") if asked.json else Path("out", "search.png")
    parts: dict[str, Callable[..., None]] = {
        "exact": exact,
        "scenario": scenario,
        "peers": partial(peers, plot=plot),
        "growth": growth,
    }
    figures = Figures(simulated=True)
    for part in asked.only:
        parts[part](figures, quick=asked.quick, seed=asked.seed)
        if asked.json:  # after every part: a later one may take long
            write_json(figures.found, asked.json)


if __name__ == "__main__":
    main()
