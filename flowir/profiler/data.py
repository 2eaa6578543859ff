"""The queries of a profile, from a JSON lines file: one object per line, its fields as they are.

`id` names a query (a hash of the fields where there is none), `expected` is what the workflow
should answer, or a list of what it may answer. All other fields are inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowir.errors import ProfileError
from flowir.profile.problems import Problems, open_text

ID = "id"
EXPECTED = "expected"


@dataclass(frozen=True)
class Record:
    """One query.

    Attributes:
        fields: everything but the identity and what is expected.
        expected: None where the line has no label.
        line: of the file, from 1.
    """

    query: str
    fields: Mapping[str, Any]
    expected: Any
    line: int


def read_data(path: str | Path) -> tuple[Record, ...]:
    """The queries of a file, in its order.

    Raises:
        ProfileError: the file is missing or empty, or has bad lines: all are named.
    """
    path = Path(path)
    problems = Problems(path)
    records: list[Record] = []
    lines: dict[str, int] = {}
    with open_text(path) as file:
        try:
            for line, text in enumerate(file, start=1):
                if not text.strip():
                    continue
                try:
                    record = _record(text, line)
                except ValueError as error:
                    problems.add(line, str(error))
                    continue
                before = lines.setdefault(record.query, line)
                if before == line:
                    records.append(record)
                elif ID in json.loads(text):
                    problems.add(line, f'the id "{record.query}" is that of line {before} too')
                else:
                    problems.add(line, f"the same fields as line {before}; give each its own id")
        except UnicodeDecodeError:
            raise ProfileError(f"{path}: not UTF-8 text; save the file as UTF-8") from None
    problems.raise_if_any()
    if not records:
        raise ProfileError(f"{path}: the file is empty; give one JSON object per line")
    return tuple(records)


def _record(text: str, line: int) -> Record:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object; give one object per line")
    fields = {name: value for name, value in row.items() if name not in (ID, EXPECTED)}
    identity = row.get(ID)
    if identity is None:
        written = json.dumps(fields, sort_keys=True)
        identity = hashlib.sha256(written.encode()).hexdigest()[:16]
    if isinstance(identity, bool | dict | list | float) or not str(identity).strip():
        raise ValueError(f"id is {json.dumps(identity)}; give a text or a whole number")
    return Record(str(identity).strip(), fields, row.get(EXPECTED), line)


def check_fields(path: str | Path, records: Sequence[Record], needed: Mapping[str, str]) -> None:
    """Refuse data without the fields that are needed.

    Args:
        needed: what each field is needed for, in words.

    Raises:
        ProfileError: names every missing field, how many rows lack it, and what there is.
    """
    missing = {
        name: [record for record in records if record.fields.get(name) is None] for name in needed
    }
    if not any(missing.values()):
        return
    lines = [
        f'  no field "{name}" in {_share(lacking, records)}, which {needed[name]} needs'
        for name, lacking in missing.items()
        if lacking
    ]
    present = dict.fromkeys(name for record in records for name in record.fields)
    there = ", ".join(present) or "none"
    raise ProfileError("\n".join([f"{path}: fields are missing", *lines, f"  fields: {there}"]))


def check_labels(path: str | Path, records: Sequence[Record]) -> None:
    """Refuse data where some rows have a label and others have none.

    Raises:
        ProfileError: says how many lack one.
    """
    lacking = [record for record in records if record.expected is None]
    if lacking and len(lacking) < len(records):
        raise ProfileError(
            f'{path}: no "{EXPECTED}" in {_share(lacking, records)}; give it everywhere, or '
            "nowhere to have a proxy judge"
        )


def _share(some: Iterable[Record], records: Sequence[Record]) -> str:
    lacking = list(some)
    where = f"the first in line {lacking[0].line}"
    return f"{len(lacking)} of {len(records)} rows ({where})"
