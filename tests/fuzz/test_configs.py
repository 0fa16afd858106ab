"""Damaged and hostile configuration files: read, or refused by a ConfigError; nothing else."""

import signal
from pathlib import Path

import numpy as np
import pytest

from lightning_app.config.command_line import said
from lightning_app.config.files import PACKAGE_ROOT, find_config, resolve
from lightning_app.config.trust import Trust
from lightning_app.errors import ConfigError
from lightning_app.runs.fingerprint import command_fingerprint

SEED = 20_261
SHIPPED = [PACKAGE_ROOT / "stages", PACKAGE_ROOT / "configs"]
PIECES = [
    *(
        "a: ",
        "b:\n",
        "  ",
        "- ",
        "\n",
        "\t",
        ": ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        '"',
        "|",
        ">",
        "#",
        "%",
        "@",
        "`",
    ),
    *(
        "&x ",
        "*x",
        "<<: *x\n",
        "!!binary x",
        "!!int ",
        "!!python/name:os.system",
        "!own ",
        "--- ",
        "...\n",
        "~",
        "null",
    ),
    *(
        "1e-3",
        "0x1f",
        "1_000",
        "9" * 5000,
        "-.inf",
        ".nan",
        "2020-01-01",
        "yes",
        "=",
        "\\ud800",
        '"\\ud800"',
        "\0",
        "\x85",
    ),
    *("class_path: os.system\n", "init_args: {}\n", "config: a.yaml\n", "config: [a]\n", "x.yaml", "a" * 300 + ".yaml"),
    *(
        "model: stages.clap.ClapTraining\n",
        "callbacks+: [1]\n",
        "a.b: 1\n",
        ".: 1\n",
        "'': 1\n",
        "[" * 600,
        "é",
        "🙂",
    ),
]


def damaged(text: str, draw: np.random.Generator) -> bytes:
    """A text with pieces of YAML put in, lines moved, and bytes changed."""
    for _ in range(draw.integers(1, 6)):
        first, last = sorted(draw.integers(0, len(text) + 1, 2))
        piece = PIECES[draw.integers(len(PIECES))] * (1 if draw.random() < 0.8 else int(draw.integers(1, 200)))
        last = min(last, first + int(draw.integers(1, 40)))
        text = text[:first] + (piece if draw.random() < 0.7 else text[last : last + 60]) + text[last:]
    raw = bytearray(text.encode("utf-8", errors="surrogatepass"))
    if draw.random() < 0.3 and raw:
        raw[draw.integers(len(raw))] = int(draw.integers(256))
    return bytes(raw)


def outcome(path: Path) -> str:
    """``read``, or ``refused`` by a ConfigError; anything else is raised."""
    try:
        tree = resolve(path)
        settings = said(["--config", str(path)])
        Trust.of(settings)
        command_fingerprint("fit", settings)
        assert isinstance(tree, dict)
    except ConfigError:
        return "refused"
    return "read"


@pytest.mark.parametrize(
    "cases", [pytest.param(200, id="some"), pytest.param(10_000, id="many", marks=pytest.mark.slow)]
)
def test_configuration_files(bounds: None, tmp_path: Path, cases: int) -> None:
    texts = [file.read_text() for folder in SHIPPED for file in sorted(folder.rglob("*.yaml"))]
    seen = {"read": 0, "refused": 0}
    path = tmp_path / "a.yaml"
    for case in range(cases):
        draw = np.random.default_rng([SEED, case])
        content = damaged(texts[draw.integers(len(texts))] if draw.random() < 0.7 else "a: 1\n", draw)
        path.write_bytes(content)
        signal.alarm(60)
        try:
            seen[outcome(path)] += 1
        except Exception as error:
            raise AssertionError(f"case {case} of seed {SEED}: {error!r} for {content[:300]!r}") from error
    assert min(seen.values()) > cases // 20, seen


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a" * 5000, "\0", "\ud800.yaml", "a/" * 3000, "~", "-"])
def test_names(bounds: None, name: str) -> None:
    with pytest.raises(ConfigError):
        find_config(name)
