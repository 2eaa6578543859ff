"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of measured data: `FLOWIR_DATA`, else `../shared/data` beside the checkout."""
    given = os.environ.get("FLOWIR_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no measured data at {folder}; set FLOWIR_DATA to the folder that holds it")
    return folder
