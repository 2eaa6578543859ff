"""Where the numbers of points stand in a plot: beside their points, off one another."""

from __future__ import annotations

from collections.abc import Sequence

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; y grows downwards."""

DIGIT, HEIGHT = 8.5, 12.0
"""Size of a digit of the page's font, in units of the plot."""

DOT = 6.0
"""Half the width of a point."""

SIDES = ((1, -1), (1, 1), (-1, -1), (-1, 1), (1, 0), (-1, 0), (0, -1), (0, 1))
"""Where a label may stand, seen from its point: to the right and above first."""


def placed(dots: Sequence[tuple[float, float]], texts: Sequence[str], within: Box) -> list[Box]:
    """A box for the label of each dot, in order.

    A label takes the first of `SIDES` where it lies on no dot, on no label before it and within
    the plot; where there is none, that where it covers least.
    """
    points = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots]
    found: list[Box] = []
    for (x, y), text in zip(dots, texts, strict=True):
        boxes = [_beside(x, y, DIGIT * len(text), side) for side in SIDES]
        covered = [_covered(box, [*points, *found], within) for box in boxes]
        found.append(boxes[covered.index(min(covered))])
    return found


def _beside(x: float, y: float, width: float, side: tuple[int, int]) -> Box:
    """At a corner of the dot or the middle of one of its edges, a little off it."""
    across, down = side
    off = DOT + 1.0
    left = x + across * off - (width if across < 0 else 0.0 if across else width / 2)
    top = y + down * off - (HEIGHT if down < 0 else 0.0 if down else HEIGHT / 2)
    return (left, top, left + width, top + HEIGHT)


def _covered(box: Box, others: Sequence[Box], within: Box) -> float:
    """Area of other boxes under this one, and of this one outside of the plot."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return sum(overlap(box, other) for other in others) + area - overlap(box, within)


def overlap(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
