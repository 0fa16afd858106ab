"""What a Python user imports: complete, light until it is used, and as the README shows it."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import emoclap

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", emoclap.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(emoclap, name) is not None
    assert name in dir(emoclap)


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'Predicter'; it has .*Predictor"):
        emoclap.Predicter  # noqa: B018


def test_the_import_alone_is_light() -> None:
    program = "import sys, emoclap; print(sorted({'torch', 'pandas', 'lightning'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_readmes_lines_run(chain, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    block = next(block for block in blocks if "Predictor" in block)
    recording = corpus.parent / pd.read_csv(corpus)["path"][0]
    block = block.replace("runs/classifier/best.ckpt", str(chain.checkpoint("classifier")))
    assert "speech.wav" in block
    exec(block.replace("speech.wav", str(recording)), {})
    assert "text-trained classifier: " in capsys.readouterr().out
