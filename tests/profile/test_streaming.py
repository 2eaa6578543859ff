"""Files are read row by row: what is not kept is never held, and reading stops at a refusal."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from flowir.errors import ProfileError
from flowir.profile import read, read_observations

HEADER = "sub_agent,model,query_id,sample,correct\n"


def test_repeated_rows_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = "".join(f"coder,m,query-{q},0,1\n" for q in range(100))

    def peak_of_reading(times: int) -> int:
        path.write_text(HEADER + rows * times)
        tracemalloc.start()
        try:
            assert len(read_observations(path)) == 100
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_of_reading(1)  # imports
    assert peak_of_reading(200) < peak_of_reading(10) + 50_000 < 200 * len(rows)


def test_too_many_calls_are_refused_where_they_are_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MOST_ROWS", 10)
    path = tmp_path / "rows.csv"
    rows = "".join(f"coder,m,q{q},0,1\n" for q in range(11))
    path.write_text(HEADER + rows + "not read any more\n")
    with pytest.raises(ProfileError, match=r"line 12: more than 10 observations; give a random"):
        read_observations(path)
    path.write_text(HEADER + rows[: rows.rindex("coder")] * 3)
    assert len(read_observations(path)) == 10
