"""Prices of models, from a CSV file: `model,input_per_mtok,output_per_mtok[,source]`."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowir.errors import ProfileError
from flowir.profile.problems import Problems, check_columns, open_text

COLUMNS = ("model", "input_per_mtok", "output_per_mtok", "source")


@dataclass(frozen=True)
class Price:
    """US dollars per million input tokens and per million output tokens."""

    input_per_mtok: float
    output_per_mtok: float
    source: str = ""


@dataclass(frozen=True)
class Prices:
    """Prices by model name."""

    by_model: Mapping[str, Price] = field(default_factory=dict)

    def __contains__(self, model: str) -> bool:
        return model in self.by_model

    def per_token(self, model: str) -> tuple[float, float]:
        """US dollars per input token and per output token; NaN for an unknown model."""
        price = self.by_model.get(model)
        if price is None:
            return math.nan, math.nan
        return price.input_per_mtok / 1e6, price.output_per_mtok / 1e6

    @property
    def content_hash(self) -> str:
        """SHA-256 of the prices, whatever order they were given in."""
        return hashlib.sha256(repr(sorted(self.by_model.items(), key=_model)).encode()).hexdigest()


def _model(item: tuple[str, Price]) -> str:
    return item[0]


def read_prices(path: str | Path) -> Prices:
    """Prices of a CSV file.

    Raises:
        ProfileError: the file is missing, empty, or has wrong columns or bad rows (all named).
    """
    path = Path(path)
    problems = Problems(path)
    prices: dict[str, Price] = {}
    with open_text(path) as file:
        reader = csv.reader(file)
        header = next(reader, None)
        check_columns(path, header, COLUMNS, required=COLUMNS[:3])
        assert header is not None
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                problems.add(
                    reader.line_num, f"{len(cells)} cells where the header has {len(header)}"
                )
                continue
            row = {name.strip(): cell.strip() for name, cell in zip(header, cells, strict=True)}
            price = _price(row, reader.line_num, problems)
            if price is None:
                continue
            if row["model"] in prices:
                problems.add(reader.line_num, f'a second price for "{row["model"]}"; keep one')
            prices[row["model"]] = price
    problems.raise_if_any()
    if not prices:
        raise ProfileError(f"{path}: a header and no prices; add one row per model")
    return Prices(prices)


def _price(row: Mapping[str, str], line: int, problems: Problems) -> Price | None:
    if not row["model"]:
        problems.add(line, "model is empty; name the model as the profile does")
        return None
    amounts = []
    for name in ("input_per_mtok", "output_per_mtok"):
        try:
            amount = float(row[name])
        except ValueError:
            amount = math.nan
        if not (math.isfinite(amount) and amount >= 0):
            problems.add(
                line, f'{name} is "{row[name]}"; give US dollars per million tokens, at least 0'
            )
            return None
        amounts.append(amount)
    return Price(amounts[0], amounts[1], row.get("source", ""))
