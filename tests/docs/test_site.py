"""The site builds without a warning, and its references have all that is defined."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest

from flowir.cli.main import COMMANDS
from flowir.universe import DIALECTS, FLOWIR_UNIVERSE
from tests.conftest import ROOT

pytest.importorskip("material", reason="the site needs flowir[docs]")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a broken link or a page that is in no menu is an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Seen(HTMLParser):
    """The ids of a page, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        if tag in ("script", "img", "iframe") or (
            tag == "link" and found.get("rel") != "canonical"
        ):
            self.loaded.append(found.get("src") or found.get("href") or "")


def seen(page: Path) -> Seen:
    found = Seen()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def test_every_operation_attribute_and_type_is_in_the_reference(site: Path) -> None:
    for name in DIALECTS:
        dialect = FLOWIR_UNIVERSE.all_dialects[name]()
        page = (site / "reference" / name / "index.html").read_text(encoding="utf-8")
        headings = set(re.findall(r"<h3[^>]*>\s*([#!]?[\w.]+)", page))
        signs = {heading.lstrip("#!") for heading in headings}
        assert signs == {one.name for one in (*dialect.operations, *dialect.attributes)}


def test_every_command_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "commands" / "index.html").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"Usage: flowir {name}" in re.sub(r"<[^>]+>", "", page)


def test_equations_are_drawn_by_the_browser_itself(site: Path) -> None:
    page = (site / "calculus" / "index.html").read_text(encoding="utf-8")
    assert page.count('display="block"') == page_blocks("calculus")
    text = re.sub(r"(?s)<(code|script|style)\b.*?</\1>", "", page)
    assert "$" not in re.sub(r"<[^>]+>", "", text)


def page_blocks(name: str) -> int:
    """How many equations a page has: one a line."""
    source = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^```math\n(.*?)^```", source)
    return sum(len(block.strip().splitlines()) for block in blocks)


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """The site works offline, and tells nobody who reads it."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        assert [url for url in seen(page).loaded if re.match(r"(https?:)?//", url)] == []


@contextmanager
def generator() -> Iterator[None]:
    """The modules that make the references can be imported."""
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT / "docs" / "site"))


def test_constraints_are_said_in_words_and_docstrings_are_markdown() -> None:
    with generator():
        from dialect_pages import operation_section, prose

    from flowir.dialects.flow import BranchOp, CallOp

    call = "\n".join(operation_section(CallOp, "%a = flow.call @x() : () -> !flow.text"))
    assert "| property | `space` | 0 or 1 | `#dse.space` |" in call
    assert "| operand | `inputs` | any | anything |" in call
    assert "| operand | `on` | 1 | `!flow.label` |" in "\n".join(operation_section(BranchOp, None))
    assert "SegmentSizes" not in "\n".join(operation_section(BranchOp, None))
    assert prose("One.\n\n    %a = x\n\n    %b = y\n\nTwo.") == (
        "One.\n\n```mlir\n%a = x\n\n%b = y\n```\n\nTwo."
    )
