"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Two busy cores make any deadline a coin toss.
settings.register_profile(
    "flowir", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("flowir")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of measured data: `FLOWIR_DATA`, else `../shared/data` beside the checkout."""
    given = os.environ.get("FLOWIR_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no measured data at {folder}; set FLOWIR_DATA to the folder that holds it")
    return folder
