"""`flowir check` explains what is wrong at its place, and says so where nothing is."""

from __future__ import annotations

from click.testing import CliRunner

from flowir.cli.main import cli

GOOD = """flow.workflow @w(%task: !flow.text) -> !flow.text {
  flow.return %task : !flow.text
}
"""


def test_an_error_has_a_place_and_a_caret(tmp_path):
    file = tmp_path / "w.mlir"
    file.write_text(GOOD.replace("flow.return", "flow.retrun"))
    result = CliRunner().invoke(cli, ["check", str(file)])
    assert result.exit_code == 1
    place, source, marks = result.output.rstrip("\n").split("\n")[:3]
    assert place.startswith(f"{file}:2:")
    assert "flow.retrun" in source
    assert set(marks.strip()) == {"^"}
    assert source[len(marks) - len(marks.lstrip()) :].startswith("flow.retrun")


def test_a_good_file_is_said_to_be_one(tmp_path):
    file = tmp_path / "w.mlir"
    file.write_text(GOOD)
    result = CliRunner().invoke(cli, ["check", str(file)])
    assert result.exit_code == 0
    assert "well-formed" in result.output
