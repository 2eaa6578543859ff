"""What GitHub shows beside the site: links of the README and its like lead somewhere."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_folders_of_the_readme_exist() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| folder |")[1]
    rows = table.split("\n\n")[0].splitlines()[2:]
    named = [name for row in rows for name in re.findall(r"`([\w/]+?)/?`", row.split("|")[1])]
    assert len(named) > 10
    for name in named:
        assert (ROOT / name).is_dir(), name
