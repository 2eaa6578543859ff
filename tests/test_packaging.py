"""What is in the folders is in the wheel, and what is said of it once is said once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.version import Version

from flowir._version import __version__
from flowir.cli.main import cli

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]


def test_every_package_is_listed() -> None:
    found = set()
    for package, folder in SETUPTOOLS["package-dir"].items():
        for face in (ROOT / folder).rglob("__init__.py"):
            inner = face.parent.relative_to(ROOT / folder).parts
            found.add(".".join((package, *inner)))
    assert set(SETUPTOOLS["packages"]) == found


def test_every_package_says_that_it_is_typed() -> None:
    for package, folder in SETUPTOOLS["package-dir"].items():
        if package != "flowir.examples":
            assert (ROOT / folder / "py.typed").is_file()


def test_the_version_is_written_in_one_place() -> None:
    version = Version(__version__)
    assert len(version.release) == 3  # major.minor.patch: semantic versioning
    assert CliRunner().invoke(cli, ["--version"]).output == f"flowir, version {__version__}\n"
    assert "version" in PYPROJECT["project"]["dynamic"]
    assert "version" not in PYPROJECT["project"]
    places = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "flowir").rglob("*.py")
        if f'"{__version__}"' in path.read_text(encoding="utf-8")
    ]
    assert places == ["flowir/_version.py"]


def test_the_changelog_knows_the_version() -> None:
    """As Keep a Changelog has it: what is to come first, then versions, the newest first."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    versions = [Version(heading) for heading in headings[1:]]
    assert versions == sorted(versions, reverse=True)
    assert not versions or versions[0] <= Version(__version__)


def test_what_was_tested_is_in_the_ranges_that_are_asked_for() -> None:
    """Every requirement has a tested version in constraints.txt, within its range."""
    lines = (ROOT / "constraints.txt").read_text().split()
    tested = {_plain(name): version for name, version in (line.split("==") for line in lines)}
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    for text in [*PYPROJECT["project"]["dependencies"], *(one for some in extras for one in some)]:
        requirement = Requirement(text)
        if requirement.name != "flowir":
            version = tested[_plain(requirement.name)]
            assert requirement.specifier.contains(version, prereleases=True), text


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_classifiers_name_the_pythons_that_are_tested() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (pythons,) = re.findall(r"^PYTHONS \?= (.*)$", makefile, re.MULTILINE)
    named = [c.rpartition(" ")[2] for c in PYPROJECT["project"]["classifiers"] if ":: 3." in c]
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert [oldest, *pythons.split()] == named  # `make test` has the oldest.
