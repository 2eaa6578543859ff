"""Numbers beside the points of a plot: beside their own, and off the others where it can be."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.report.labels import DIGIT, DOT, HEIGHT, Box, overlap, placed
from tests.budget import some

PLOT: Box = (0.0, 0.0, 500.0, 300.0)


def dot_box(x: float, y: float) -> Box:
    return (x - DOT, y - DOT, x + DOT, y + DOT)


def covered(dots: list[tuple[float, float]], boxes: list[Box]) -> float:
    """Area of labels that lie on one another or on dots."""
    among = sum(overlap(a, b) for a, b in combinations(boxes, 2))
    return among + sum(overlap(box, dot_box(*dot)) for box in boxes for dot in dots)


places = st.tuples(st.floats(10, 490), st.floats(10, 290))


@given(st.lists(places, max_size=40))
@settings(max_examples=some(60), deadline=None)
def test_a_label_is_of_the_size_of_its_text_and_touches_no_more_than_its_own_point(
    dots: list[tuple[float, float]],
) -> None:
    texts = [str(n * n) for n in range(len(dots))]
    for (x, y), text, box in zip(dots, texts, placed(dots, texts, PLOT), strict=True):
        assert box[2] - box[0] == pytest.approx(DIGIT * len(text))
        assert box[3] - box[1] == pytest.approx(HEIGHT)
        assert overlap(box, dot_box(x, y)) == 0.0
        near = dot_box(x, y)
        assert overlap(box, (near[0] - 2, near[1] - 2, near[2] + 2, near[3] + 2)) > 0.0


@given(st.lists(places, max_size=12))
@settings(max_examples=some(60), deadline=None)
def test_points_that_are_apart_have_labels_that_are(dots: list[tuple[float, float]]) -> None:
    apart = all(max(abs(a[0] - b[0]), abs(a[1] - b[1])) > 60 for a, b in combinations(dots, 2))
    boxes = placed(dots, [str(n) for n in range(len(dots))], PLOT)
    inside = all(overlap(box, PLOT) == pytest.approx(DIGIT * 1 * HEIGHT) for box in boxes[:10])
    assert inside or not apart
    assert covered(dots, boxes) == 0.0 or not apart


def test_a_crowd_is_readable() -> None:
    """Thirty points along a front, in a corner of the plot: hardly anything lies on anything."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(60, 380, 30))
    dots = [(float(a), float(280 - 45 * np.sqrt(a / 10))) for a in x]
    texts = [str(n) for n in range(30)]
    boxes = placed(dots, texts, PLOT)
    fixed = [
        (x + 8, y - 7 - HEIGHT, x + 8 + DIGIT * len(t), y - 7)
        for (x, y), t in zip(dots, texts, strict=True)
    ]
    assert covered(dots, boxes) < 0.1 * covered(dots, fixed)
