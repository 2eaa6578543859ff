"""Every message of the verifiers is seen by a lit test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def raised(path: Path) -> list[tuple[int, re.Pattern[str]]]:
    """Line and text of every message a module raises; what is filled in matches anything."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        if function == "fail":
            message = node.args[1]
        elif function in ("VerifyException", "parser.raise_error"):
            message = node.args[0]
        else:
            continue
        found.append((node.lineno, re.compile(pattern(message))))
    return found


def pattern(message: ast.expr) -> str:
    match message:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(
                re.escape(part.value) if isinstance(part, ast.Constant) else ".*" for part in parts
            )
    raise AssertionError(f"line {message.lineno}: a message that is no literal")


@pytest.mark.parametrize(
    ("dialect", "module"),
    [
        ("flow", "flow_calls"),
        ("flow", "flow_checks"),
        ("flow", "flow_declarations"),
        ("flow", "flow_plan"),
        ("flow", "flow_regions"),
        ("flow", "flow_types"),
        ("flow", "flow_workflow_checks"),
        ("plan", "plan_signature"),
        ("prim", "prim_checks"),
        ("prim", "prim_ops"),
        ("prim", "prim_prompts"),
        ("prim", "prim_syntax"),
        ("prim", "prim_types"),
        ("dse", "dse_space"),
        ("dse", "dse_front"),
    ],
)
def test_every_message_is_expected_somewhere(dialect: str, module: str) -> None:
    tests = sorted((ROOT / "lit_tests" / "dialects" / dialect).glob("*invalid.mlir"))
    lit = "\n".join(path.read_text() for path in tests)
    expected = "\n".join(re.findall(r"^// CHECK: (.*)$", lit, re.MULTILINE))
    path = ROOT / "dialects" / f"{module}.py"
    unseen = [
        f"{path.name}:{line}: {text.pattern}"
        for line, text in raised(path)
        if not text.search(expected)
    ]
    assert not unseen
