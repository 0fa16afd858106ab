"""How long ``lightning-cli --help`` takes, against only importing what it could have imported first."""

import subprocess
import sys
from pathlib import Path

from benchmarks.timing import Row, compare

ROOT = Path(__file__).parents[1]


def run(rounds: int = 6) -> list[Row]:
    """Whole processes; help must answer with exit code 0 and the verbs."""
    require_help(_run("-m", "lightning_app", "--help"))
    return [
        compare(
            "`lightning-cli --help`, whole process",
            "`import torch, lightning`",
            lambda: _run("-m", "lightning_app", "--help"),
            lambda: _run("-c", "import torch, lightning"),
            rounds,
        )
    ]


def require_help(answer: subprocess.CompletedProcess[str]) -> None:
    """Exit code 0, and a text that names how to start."""
    assert answer.returncode == 0, f"exit code {answer.returncode}: {answer.stderr}"
    assert "usage: lightning-cli VERB" in answer.stdout, answer.stdout
    assert "prepare" in answer.stdout, answer.stdout


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
