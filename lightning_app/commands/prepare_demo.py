"""The demo corpus in a folder: made once, and again only when its settings or its recipe change."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import datamodules.corpora.demo as recipe
from datamodules.corpora.demo.corpus import make_demo
from datamodules.errors import DataError
from datamodules.manifest.reading import read_manifest, write_manifest


def make_once(
    manifest: Path, clips: int, seed: int, workers: int | None, progress: Callable[[int, int], None]
) -> tuple[pd.DataFrame, bool]:
    """Make the demo corpus beside `manifest`, unless it is there with the same settings.

    Args:
        manifest: file to write; recordings go to wav/ beside it, settings to demo.json.
        clips: number of clips.
        seed: of everything random.
        workers: processes; None for one per core.
        progress: called with the number of clips done and the number in all.

    Returns:
        The manifest's rows, and whether they were made just now.

    Raises:
        DataError: `manifest` exists and was not written by this function.
    """
    settings = manifest.parent / "demo.json"
    wanted = {"manifest": manifest.name, "clips": clips, "seed": seed, "recipe": _recipe()}
    found = _read(settings)
    if manifest.exists() and found.get("manifest") != manifest.name:
        raise DataError(f"{manifest}: exists and is not a demo corpus (no {settings}); choose another --out")
    if found == wanted | {"finished": True} and manifest.is_file():
        try:
            return read_manifest(manifest), False
        except DataError:  # clips were deleted, or the table was changed
            progress(0, clips)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(wanted | {"finished": False}, indent=2), encoding="utf-8")
    write_manifest(make_demo(manifest.parent, clips, seed, workers, progress), manifest)
    settings.write_text(json.dumps(wanted | {"finished": True}, indent=2), encoding="utf-8")
    return read_manifest(manifest), True


def _read(settings: Path) -> dict[str, object]:
    try:
        content = json.loads(settings.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _recipe() -> str:
    """Hash of the modules that make the corpus: its version."""
    digest = hashlib.sha256()
    for folder in recipe.__path__:
        for module in sorted(Path(folder).rglob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()[:16]
