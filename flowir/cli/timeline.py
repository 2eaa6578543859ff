"""`flowir timeline`: what a run did when, as a page."""

from __future__ import annotations

from pathlib import Path

from flowir.errors import PrimError
from flowir.files import write_atomically
from flowir.prim.trace import read_trace
from flowir.report.timeline import timeline


def run(trace: str, out: str | None) -> None:
    """Write the page, beside the trace if `out` is None.

    Raises:
        PrimError: the trace cannot be read, or the page cannot be written.
    """
    page = timeline(read_trace(trace))
    place = str(Path(trace).with_suffix(".html")) if out is None else out
    try:
        write_atomically(place, page)
    except OSError as error:
        raise PrimError(f"{place}: cannot be written ({error.strerror})") from None
    print(f"wrote {place}")
