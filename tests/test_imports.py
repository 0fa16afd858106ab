"""Who may import whom, and what a command may import before it has to."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "losses": set(),
    "models": set(),
    "datamodules": set(),
    "stages": {"models", "losses", "datamodules.batch"},
    "lightning_app": {"models", "losses", "datamodules", "stages"},
}


def imported(file: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, node.module or ""))
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        for line, name in imported(file):
            top = name.split(".")[0]
            allowed = top == package or top in MAY_IMPORT[package] or name in MAY_IMPORT[package]
            assert top not in (*MAY_IMPORT, "tests", "benchmarks") or allowed, f"{file}:{line} imports {name}"


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["prepare", "--help"],
        ["caption", "--help"],
        ["chain", "--help"],
        ["report", "--help"],
    ],
)
def test_our_own_verbs_answer_without_torch(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from lightning_app.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'transformers', 'lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout or "emoclap" in done.stdout
