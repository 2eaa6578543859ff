"""What to say where a library is not installed."""

from __future__ import annotations

from flowir.errors import RetrievalError


def missing(package: str, extra: str) -> RetrievalError:
    """The error, with the mend."""
    return RetrievalError(f"{package} is not installed; run: pip install 'flowir[{extra}]'")
