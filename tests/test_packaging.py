"""What is in the folders is in the wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_listed() -> None:
    found = set()
    for package, folder in SETUPTOOLS["package-dir"].items():
        for face in (ROOT / folder).rglob("__init__.py"):
            inner = face.parent.relative_to(ROOT / folder).parts
            found.add(".".join((package, *inner)))
    assert set(SETUPTOOLS["packages"]) == found
