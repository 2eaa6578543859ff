"""Design-space exploration: exactness, speed and memory, regret, peers, and how cost grows.

    python -m benchmarks.search [--quick] [--seed N] [--json FILE] [--only PART ...]

Times are CPU seconds of one thread, medians. Observations are synthetic or made up, and every
figure says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Figures, arguments, write_json
from benchmarks.search_exact import exact
from benchmarks.search_scenario import scenario

PARTS: dict[str, Callable[..., None]] = {
    "exact": exact,
    "scenario": scenario,
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    asked = parser.parse_args()
    figures = Figures(simulated=True)
    for part in asked.only:
        PARTS[part](figures, quick=asked.quick, seed=asked.seed)
    if asked.json:
        write_json(figures.found, asked.json)


if __name__ == "__main__":
    main()
