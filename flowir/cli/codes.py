"""Exit codes that more than one command gives."""

from __future__ import annotations

INTERRUPTED = 130
"""Of what was interrupted, as shells have it for SIGINT: 128 + 2."""
