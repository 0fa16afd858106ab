"""What `prepare` says about the manifest it wrote."""

import json
from collections.abc import Mapping

import pandas as pd

from datamodules.audio.decoding import ODDITIES
from datamodules.corpora import Corpus
from datamodules.manifest.folds import speaker_keys

MOST_SHOWN = 12  # folds of a protocol; a table of more tells nothing at a glance


def summarize(rows: pd.DataFrame, corpus: Corpus | None) -> list[str]:
    """Lines for people: size, speakers, rates, emotions, license, and differences from what the publisher counts.

    Args:
        rows: A manifest read by ``read_manifest``, with durations.
        corpus: What is known of it; None for somebody's own table.
    """
    title = "table" if corpus is None else corpus.title
    lines = [f"{title}: {len(rows)} clips, {rows['duration'].sum() / 3600:.2f} h"]
    lines += [f"  speakers: {_speakers(rows)}", f"  sampling rates: {_counts(rows['sample_rate'].astype(int), ' Hz')}"]
    emotions = rows["emotion"] if "emotion" in rows else pd.Series("", index=rows.index)
    lines.append(f"  emotions: {_counts(emotions.replace('', 'not labelled'))}")
    folds = [f"{name} ({rows[name].nunique()})" for name in map(str, rows) if name.startswith("fold_")]
    lines += [f"  folds: {', '.join(folds)}"] if folds else []
    lines += [line for name in map(str, rows) if name.startswith("fold_") for line in _fold_table(rows, name, emotions)]
    lines += [f"  splits: {_counts(rows['split'].replace('', 'none'))}"] if "split" in rows else []
    if "oddity" in rows:
        odd = rows["oddity"][rows["oddity"] != ""].value_counts()
        lines += [f"  odd, and kept: {count} {name} ({ODDITIES[str(name)]})" for name, count in odd.items()]
    return lines if corpus is None else [*lines, *_compared(rows, emotions, corpus)]


def _compared(rows: pd.DataFrame, emotions: pd.Series, corpus: Corpus) -> list[str]:
    """What is known of a corpus beforehand, and how the rows differ from it."""
    lines = [f"  release: {_release(rows, emotions, corpus.releases)}"] if corpus.releases else []
    lines += [f"  label set: {_label_set(corpus)}", f"  licence: {corpus.license}"]
    found = emotions.value_counts()
    differences = [
        f"{emotion} {found.get(emotion, 0)} instead of {count}"
        for emotion, count in corpus.counts.items()
        if found.get(emotion, 0) != count
    ]
    lines += [f"  differs from the published corpus: {', '.join(differences)}"] if differences else []
    return lines


def _label_set(corpus: Corpus) -> str:
    """As configurations write it: its name, or all of it where it is none of ours."""
    label_set = corpus.label_set
    setting = label_set.setting()
    if isinstance(setting, str):
        return f"{setting} ({', '.join(label_set.labels)})"
    return json.dumps(setting).replace('"', "")


def _release(rows: pd.DataFrame, emotions: pd.Series, releases: Mapping[int, str]) -> str:
    """Which release the numbers of clips look like."""
    train = rows["split"] == "train" if "split" in rows else pd.Series(True, index=rows.index)
    agreed, named = emotions != "", ~emotions.isin(["", "other"])
    parts = (part & classed for part in (train | True, train) for classed in (agreed | True, agreed, named))
    sizes = [int(part.sum()) for part in parts]
    found = next((size for size in sizes if size in releases), None)
    if found is not None:
        return f"{releases[found]}, which has {found} such clips"
    told = ", ".join(f"{name} ({size})" for size, name in releases.items())
    return f"none that is known by its number of clips: {told}; here {sizes[0]}, of which {sizes[3]} to train on"


def _fold_table(rows: pd.DataFrame, column: str, emotions: pd.Series) -> list[str]:
    """Clips of each emotion in each fold, and what some folds lack; nothing where they are alike by their making."""
    inside = rows[column].notna() & (emotions != "")
    if column.startswith("fold_random") or not inside.any() or rows[column].nunique() > MOST_SHOWN:
        return []
    counts = pd.crosstab(rows[column][inside].astype(int), emotions[inside])
    heads = [f"{name:>8}" for name in map(str, counts)]
    lines = [f"    {column:<14}{'  '.join(['   clips', *heads])}"]
    for fold, cells in counts.iterrows():
        numbers = [f"{cells.sum():8}", *(f"{count:{len(head)}}" for count, head in zip(cells, heads, strict=True))]
        lines.append(f"    {fold!s:<14}{'  '.join(numbers)}")
    lacking = [f"{name} in fold {', '.join(map(str, folds.index[folds == 0]))}" for name, folds in counts.items()]
    lacking = [text for text, absent in zip(lacking, (counts == 0).any(), strict=True) if absent]
    if lacking:
        lines.append(f"    no {'; no '.join(lacking)}: scores of such a fold are of the emotions that it has")
    return lines


def _speakers(rows: pd.DataFrame) -> str:
    keys = speaker_keys(rows)
    single = rows.assign(key=keys)[keys != ""].drop_duplicates("key")
    if single.empty:
        return "not given"
    genders = single["gender"][single["gender"] != ""].value_counts() if "gender" in single else pd.Series(dtype=int)
    parts = [f"{count} {gender}" for gender, count in genders.items()]
    unknown = int((keys == "").sum())
    text = f"{len(single)}" + (f" ({', '.join(parts)})" if parts else "")
    return text + (f", and {unknown} clips whose speaker is not given" if unknown else "")


def _counts(cells: pd.Series, unit: str = "") -> str:
    return ", ".join(f"{value}{unit} {count}" for value, count in cells.value_counts().sort_index().items())
