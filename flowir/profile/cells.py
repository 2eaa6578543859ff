"""Cells of a row, as text or as JSON values: what each may hold, and why not.

Every function raises ValueError with the reason; whoever reads the file adds the line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from flowir.configuration import Budget, Parameter


def parse_budget(cell: Any) -> Budget:
    """A token count, an effort label, or None for an empty cell.

    Raises:
        ValueError: a negative or fractional number of tokens.
    """
    if cell is None:
        return None
    if isinstance(cell, bool):
        raise ValueError(f"budget is {cell}; give a token count or an effort label")
    text = str(cell).strip()
    if not text:
        return None
    try:
        tokens = float(text)
    except ValueError:
        return text
    if not tokens.is_integer() or tokens < 0:
        raise ValueError(f'budget is "{text}"; give a whole number of tokens or an effort label')
    return int(tokens)


def parse_params(cell: Any) -> tuple[tuple[str, Parameter], ...]:
    """Sampling parameters from `temperature=0.7;top_p=0.9`, a JSON object, or nothing.

    Raises:
        ValueError: a part without `=`, a name given twice, a value that is not a scalar.
    """
    if cell is None or cell == "":
        return ()
    if isinstance(cell, str) and cell.strip().startswith("{"):
        cell = json.loads(cell)
    if isinstance(cell, Mapping):
        pairs = list(cell.items())
    else:
        parts = [part.strip() for part in str(cell).replace(",", ";").split(";") if part.strip()]
        pairs = []
        for part in parts:
            name, sign, value = part.partition("=")
            if not sign or not name.strip():
                raise ValueError(f'params has "{part}"; write name=value, separated by ";"')
            pairs.append((name.strip(), _scalar(value.strip())))
    if len(dict(pairs)) != len(pairs):
        raise ValueError(f"params names a parameter twice: {cell}")
    for name, value in pairs:
        if not isinstance(value, (int, float, str, bool)):
            raise ValueError(f"params: {name} is not a number, text or truth value")
    return tuple(sorted(pairs))


def _scalar(text: str) -> Parameter:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def text_of(row: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """The cell as text without outer blanks, empty where it is missing."""
    cell = row.get(name)
    if cell is not None and not isinstance(cell, (str, int, float, bool)):
        raise ValueError(f"{name} is not a text or a number")
    text = "" if cell is None else str(cell).strip()
    if required and not text:
        raise ValueError(f"{name} is empty")
    return text


def truth_of(row: Mapping[str, Any], name: str) -> bool:
    """Empty means yes."""
    text = text_of(row, name).lower()
    if text in ("", "1", "1.0", "true", "yes"):
        return True
    if text in ("0", "0.0", "false", "no"):
        return False
    raise ValueError(f'{name} is "{text}"; give 1, 0 or nothing (which means 1)')


def number_of(row: Mapping[str, Any], name: str, wrong: Callable[[float], str]) -> float:
    """The cell as a number, NaN where empty."""
    cell = row.get(name)
    if cell is None or cell == "":
        return math.nan
    if name == "correct" and isinstance(cell, (bool, str)):
        cell = _TRUTHS.get(str(cell).strip().lower(), cell)
    try:
        value = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        if not str(cell).strip():
            return math.nan
        raise ValueError(f'{name} is "{cell}", not a number') from None
    if not math.isfinite(value):
        raise ValueError(f'{name} is "{cell}"; leave it empty where nothing was measured')
    reason = wrong(value)
    if reason:
        raise ValueError(f"{name} is {value:g}; {reason}")
    return value


_TRUTHS = {"true": 1.0, "false": 0.0}


def _outside_unit(value: float) -> str:
    return "" if 0 <= value <= 1 else "it must lie between 0 and 1"


def _not_positive(value: float) -> str:
    return "" if value > 0 else "it must be above 0 seconds; leave it empty if it was not measured"


def _negative(value: float) -> str:
    return "" if value >= 0 else "it must not be negative"


NUMBERS: dict[str, Callable[[float], str]] = {
    "correct": _outside_unit,
    "latency_s": _not_positive,
    "input_tokens": _negative,
    "output_tokens": _negative,
    "cost_usd": _negative,
}
