"""Where a manifest should be, and which command makes it."""

from pathlib import Path

from datamodules.corpora import corpus_names, find_corpus
from datamodules.errors import DataError


def require_manifest(manifest: Path) -> None:
    """Refuse a manifest that is no file.

    Raises:
        DataError: With the tables in it, if it is a folder, or with the command that makes it.
    """
    if manifest.is_dir():
        tables = sorted(file for ending in ("csv", "parquet") for file in manifest.glob(f"*.{ending}"))
        # Recordings alone have to be listed in a table first.
        remedy = (
            f"name the table in it: {' or '.join(map(str, tables[:3]))}"
            if tables
            else (
                "expected a table of clips: write a CSV with the column path, a row per recording, and check it by "
                f"lightning-cli prepare table my.csv --out {manifest / 'manifest.csv'}"
            )
        )
        raise DataError(f"data.init_args.manifest: {manifest} is a folder; {remedy}")
    if not manifest.is_file():
        looked = "" if manifest.is_absolute() else f" (looked for {manifest.absolute()})"
        raise DataError(f"data.init_args.manifest: {manifest} is not there{looked}; make it: {making(manifest)}")


def making(manifest: Path) -> str:
    """The command that makes a manifest; its folder is named as the corpus."""
    name = manifest.parent.name
    if name not in corpus_names():
        source = "table my.csv"
    elif find_corpus(name).rows is None:
        source = name
    else:
        source = f"{name} ROOT"
    return f"lightning-cli prepare {source} --out {manifest}"
