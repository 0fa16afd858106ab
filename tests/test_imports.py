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


def test_captions_import_neither_torch_nor_lightning() -> None:
    program = (
        "import sys\n"
        "from datamodules.captions import LanguageModel, Tags\n"
        "heavy = {'torch', 'transformers', 'lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


LOADERS = """
import importlib.abc, sys
from pathlib import Path

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("stages", "models", "losses", "lightning_app"):
            raise ImportError(f"{name} is not for data")

sys.meta_path.insert(0, Blocked())
import numpy as np
import lightning.pytorch

def refuse(*_, **__):
    raise AssertionError("data made a trainer")

lightning.pytorch.Trainer.__init__ = refuse
from datamodules.captions import ParaClapCaptions, Tags
from datamodules.clips.data import ClipData
from datamodules.clips.dataset import AudioReading
from datamodules.clips.loading import Loading
from datamodules.features import FeatureTable
from datamodules.texts.prompt_data import PromptData
from datamodules.texts.text_data import TextData

data = ClipData(
    Path(sys.argv[1]), "iemocap4", audio=AudioReading(sample_rate=16000, seconds=0.5),
    texts={"caption": ParaClapCaptions(workers=0), "tags": Tags(workers=0), "said": "{speaker}"},
    loading=Loading(batch_size=8, num_workers=0),
)
data.prepare_data()
for use in ("fit", "test", "predict"):
    data.setup(use)
loaders = (data.train_dataloader, data.val_dataloader, data.test_dataloader, data.predict_dataloader)
heard = [batch["wave"].shape[1] for loader in loaders for batch in loader()]
assert set(heard) == {8000}, heard
data.features = FeatureTable({name: np.zeros(3) for name in data.table.all["id"]})
heard = [batch["wave"].shape[1] for loader in loaders for batch in loader()]
assert set(heard) == {0}, heard
assert len(list(PromptData("six", contexts=2).train_dataloader())) == 1
assert len(list(TextData("six").train_dataloader())) == 1
"""


def test_data_are_loaded_without_stage_model_trainer_and_app(corpus: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADERS, str(corpus)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
