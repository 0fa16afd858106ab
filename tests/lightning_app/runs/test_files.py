"""The names of a run folder's files, and JSON that is whole."""

import ast
from pathlib import Path

import pytest

from lightning_app.errors import ConfigError
from lightning_app.runs import files
from lightning_app.runs.files import read_json, write_json

ROOT = Path(__file__).parents[3]
NAMES = {value for key, value in vars(files).items() if key.isupper() and isinstance(value, str)}


def texts(tree: ast.AST) -> list[str]:
    """Texts that a program works with: neither docstrings nor sentences."""
    found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in found if not any(letter.isspace() for letter in text)]


def test_no_other_module_writes_the_name_of_a_file_of_a_run_folder() -> None:
    assert {"best.ckpt", "done.json", "results.csv", "previous"} < NAMES
    sources = [path for package in ("lightning_app", "stages") for path in (ROOT / package).rglob("*.py")]
    written = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in sources
        if path != Path(files.__file__)
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if text.rpartition("/")[2] in NAMES
    }
    assert not written


def test_json_comes_back_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "job.json", {"job": "é"})
    assert read_json(tmp_path / "new" / "job.json") == {"job": "é"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["job.json"]
    assert read_json(tmp_path / "none.json") is None


@pytest.mark.parametrize(("content", "said"), [("{", "damaged"), ("[1]", "no JSON object")])
def test_what_is_no_json_object_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "job.json").write_text(content)
    with pytest.raises(ConfigError, match=rf"job\.json: .*{said}"):
        read_json(tmp_path / "job.json")
