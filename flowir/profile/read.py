"""Observations from CSV and JSON lines files, streamed; all bad rows are reported at once."""

from __future__ import annotations

import csv
import json
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flowir.configuration import Configuration
from flowir.errors import ProfileError
from flowir.profile.cells import NUMBERS, number_of, parse_budget, parse_params, text_of, truth_of
from flowir.profile.documents import document_rows, is_document
from flowir.profile.observations import Observations, from_columns
from flowir.profile.problems import Problems, check_columns, open_text
from flowir.profile.store import stored_rows

COLUMNS = (
    "sub_agent",
    "model",
    "budget",
    "params",
    "query_id",
    "sample",
    "correct",
    "latency_s",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "input_correct",
    "answer",
    "error",
    "proxy",
)
REQUIRED = ("sub_agent", "model", "query_id")
MEASURED = ("correct", "latency_s", "answer")
"""A row must have one of these, or it says nothing."""

_FALSE = frozenset({"", "0", "false", "no", "none", "null"})


def read_observations(path: str | Path) -> Observations:
    """Observations of a file: `.csv`, `.jsonl`, `.parquet`, a store (`.sqlite`, `.db`), or traces.

    Traces are `.json` (or `.jsonl`) in any of the forms of :mod:`flowir.profile.documents`.

    Raises:
        ProfileError: the file is missing, empty or of an unknown kind, its columns are wrong, or
            rows are bad: all of them, each with line and reason.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ProfileError(
            f'{path}: unknown kind of file "{path.suffix}"; observations are read from '
            f"{', '.join(sorted(_READERS))}"
        )
    problems = Problems(path)
    rows = Rows(problems)
    for line, row in reader(path, problems):
        rows.add(line, row)
    problems.raise_if_any()
    if not rows.count:
        raise ProfileError(f"{path}: no observations; add one row per call")
    return rows.observations()


def observations_from_records(records: Iterable[Mapping[str, Any]]) -> Observations:
    """Observations of rows in memory, by the names of the columns; None and NaN are empty.

    Raises:
        ProfileError: there are none, their columns are wrong, or rows are bad: all of them, each
            with its number, from 1, and reason.
    """
    path = Path("rows given")
    problems = Problems(path)
    rows = Rows(problems)
    columns: list[str] | None = None
    for number, record in enumerate(records, start=1):
        names = [str(name) for name in record]
        if names != columns:
            check_columns(path, names, COLUMNS, required=REQUIRED)
            columns = names
        rows.add(number, {name: None if v != v else v for name, v in record.items()})
    problems.raise_if_any()
    if not rows.count:
        raise ProfileError(f"{path}: no observations; give one row per call")
    return rows.observations()


def _csv_rows(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with open_text(path) as file:
        reader = csv.reader(file)
        try:
            header = next(reader, None)
            check_columns(path, header, COLUMNS, required=REQUIRED)
            assert header is not None
            names = [name.strip() for name in header]
            _check_measured(path, names)
            for cells in reader:
                if len(cells) == len(names):
                    yield reader.line_num, dict(zip(names, cells, strict=True))
                elif any(cell.strip() for cell in cells):
                    problems.add(
                        reader.line_num, f"{len(cells)} cells where the header has {len(names)}"
                    )
        except csv.Error as error:
            raise ProfileError(f"{path}: line {reader.line_num}: not CSV ({error})") from None
        except UnicodeDecodeError:
            raise ProfileError(f"{path}: not UTF-8 text; save the file as UTF-8") from None


def _json_rows(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    known = frozenset(COLUMNS)
    with open_text(path) as file:
        try:
            for line, text in enumerate(file, start=1):
                if not text.strip():
                    continue
                try:
                    row = json.loads(text)
                except ValueError as error:
                    problems.add(line, f"not JSON ({error})")
                    continue
                if not isinstance(row, dict):
                    problems.add(line, "not a JSON object; give one object per line")
                    continue
                if not known.issuperset(row) or not all(name in row for name in REQUIRED):
                    try:
                        check_columns(path, list(row) or None, COLUMNS, required=REQUIRED)
                    except ProfileError as error:
                        wrong = str(error).splitlines()[1:-1]
                        problems.add(line, "; ".join(w.strip() for w in wrong) or "an empty object")
                    continue
                yield line, row
        except UnicodeDecodeError:
            raise ProfileError(f"{path}: not UTF-8 text; save the file as UTF-8") from None


def _line_rows(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Observations or traces, as the first line says."""
    with open_text(path) as file:
        first = next((line for line in file if line.strip()), "")
    try:
        start = json.loads(first)
    except ValueError:
        start = None
    if isinstance(start, dict) and is_document(start):
        return document_rows(path)
    return _json_rows(path, problems)


def _document_rows(path: Path, _: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return document_rows(path)


def _stored_rows(path: Path, _: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return stored_rows(path)


def _parquet_rows(path: Path, _: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError:
        raise ProfileError(
            f"{path}: Parquet needs pyarrow; install it, or export the observations to CSV"
        ) from None
    if not path.exists():
        raise ProfileError(f"{path}: there is no such file; check the path")
    try:
        file = parquet.ParquetFile(path)
    except (ArrowInvalid, OSError) as error:
        raise ProfileError(f"{path}: not a Parquet file ({error})") from None
    names = list(file.schema_arrow.names)
    check_columns(path, names, COLUMNS, required=REQUIRED)
    _check_measured(path, names)
    number = 0
    for batch in file.iter_batches():
        for row in batch.to_pylist():
            number += 1
            yield number, row


_READERS: dict[str, Callable[[Path, Problems], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    ".csv": _csv_rows,
    ".jsonl": _line_rows,
    ".ndjson": _line_rows,
    ".json": _document_rows,
    ".sqlite": _stored_rows,
    ".db": _stored_rows,
    ".parquet": _parquet_rows,
}


def _check_measured(path: Path, names: list[str]) -> None:
    if not any(name in names for name in MEASURED):
        raise ProfileError(
            f"{path}: wrong columns\n  nothing is measured: add one of {', '.join(MEASURED)}"
        )


MOST_ROWS = 2_000_000
"""More distinct calls are refused: they take about 0.4 kB each while they are read, and a fit that
reads so many gains nothing over one of a hundredth of them."""


class Rows:
    """Collects rows of text or JSON cells into columns; bad rows go to `problems`."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.count = 0
        self._tables: dict[str, dict[Any, int]] = {
            name: {} for name in ("agent", "configuration", "query", "sample", "answer", "proxy")
        }
        self._codes = {name: array("i") for name in self._tables}
        self._values = {name: array("d") for name in NUMBERS}
        self._flags = {"input_correct": array("b"), "error": array("b")}
        self._configurations: dict[tuple[str, str, str], Configuration] = {}
        self._seen: dict[tuple[int, int, int, int, int], int] = {}
        self._lines = array("q")

    def add(self, line: int, row: Mapping[str, Any]) -> None:
        """Take one row, or report why not."""
        try:
            self._take(line, row)
        except ValueError as error:
            self.problems.add(line, str(error))

    def _take(self, line: int, row: Mapping[str, Any]) -> None:
        agent, model, query = (text_of(row, name, required=True) for name in REQUIRED)
        configuration = self._configuration(model, row.get("budget"), row.get("params"))
        sample = text_of(row, "sample")
        answer, proxy = text_of(row, "answer"), text_of(row, "proxy")
        error = text_of(row, "error").lower() not in _FALSE
        values = {name: number_of(row, name, check) for name, check in NUMBERS.items()}
        input_correct = truth_of(row, "input_correct")
        measured = answer or not (math.isnan(values["correct"]) and math.isnan(values["latency_s"]))
        if not (error or measured):
            raise ValueError("nothing is measured; give correct, latency_s or answer")
        codes = {
            "agent": self._code("agent", agent),
            "configuration": self._code("configuration", configuration),
            "query": self._code("query", query),
            "sample": self._code("sample", sample),
            "answer": self._code("answer", answer) if answer else -1,
            "proxy": self._code("proxy", proxy) if proxy else -1,
        }
        if sample and self._repeated(line, codes, values, input_correct, error):
            return
        if self.count == MOST_ROWS:
            raise ProfileError(
                f"{self.problems.path}: line {line}: more than {MOST_ROWS:,} observations; give a "
                "random sample of the queries, with all calls of each"
            )
        for name, code in codes.items():
            self._codes[name].append(code)
        for name, value in values.items():
            self._values[name].append(value)
        self._flags["input_correct"].append(input_correct)
        self._flags["error"].append(error)
        self._lines.append(line)
        self.count += 1

    def _repeated(
        self,
        line: int,
        codes: Mapping[str, int],
        values: Mapping[str, float],
        input_correct: bool,
        error: bool,
    ) -> bool:
        """Whether this very call was read before; the same call with other values is refused."""
        key = (
            codes["agent"],
            codes["configuration"],
            codes["query"],
            codes["sample"],
            int(input_correct),
        )
        index = self._seen.setdefault(key, self.count)
        if index == self.count:
            return False
        same = self._codes["answer"][index] == codes["answer"]
        same &= bool(self._flags["error"][index]) == error
        for name, value in values.items():
            before = self._values[name][index]
            same &= before == value or (math.isnan(before) and math.isnan(value))
        if same:
            return True
        raise ValueError(
            f"contradicts line {self._lines[index]}: same sub_agent, model, budget, params, "
            "query_id and sample, other values; give each call its own sample"
        )

    def _configuration(self, model: str, budget: Any, params: Any) -> Configuration:
        key = (model, repr(budget), repr(params))
        found = self._configurations.get(key)
        if found is None:
            found = Configuration(model, parse_budget(budget), parse_params(params))
            self._configurations[key] = found
        return found

    def _code(self, table: str, value: Any) -> int:
        entries = self._tables[table]
        return entries.setdefault(value, len(entries))

    def observations(self) -> Observations:
        """What was collected, in canonical order."""
        columns: dict[str, Any] = {
            name: np.array(codes, dtype=np.int32) for name, codes in self._codes.items()
        }
        columns |= {name: np.array(v, dtype=np.float64) for name, v in self._values.items()}
        columns |= {name: np.array(v, dtype=np.bool_) for name, v in self._flags.items()}
        return from_columns(
            agents=tuple(self._tables["agent"]),
            configurations=tuple(self._tables["configuration"]),
            queries=tuple(self._tables["query"]),
            samples=tuple(self._tables["sample"]),
            answers=tuple(self._tables["answer"]),
            proxies=tuple(self._tables["proxy"]),
            **columns,
        )
