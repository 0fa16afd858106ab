"""A chain's runs folder as its stages leave it: 3 seeds, 5 folds, 4 systems, 7 emotions, 3 prompt lengths."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_app.runs.predictions import joined, rating_rows, score_rows, text_rows
from stages.metrics import RATING_SCORES

LABELS = ["anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness"]
LABEL_SETS = {"emodb7": LABELS, "seven": [*(name for name in LABELS if name != "boredom"), "surprise"]}
SHARES = [0.24, 0.15, 0.09, 0.13, 0.13, 0.14, 0.12]
SKILL = {"zero-shot": 0.45, "zero-shot ensemble": 0.52, "ACPT prompts": 0.6, "text-trained classifier": 0.68}
LENGTHS = ["4", "8", "16"]


class Author:
    """Writes a runs folder, reproducibly."""

    def __init__(self, folder, seeds=(1, 2, 3), folds=range(5), clips=60, corpora=(("EmoDB", "emodb7"),)):
        self.folder, self.seeds, self.folds, self.clips = folder, seeds, folds, clips
        self.corpora = corpora
        self.draw = np.random.default_rng(0)
        self.results = []

    def write(self):
        for seed in self.seeds:
            for fold in self.folds:
                self.stage("clep", f"seed={seed},fold={fold}", 24, ("train/loss", "val/loss", "val/ua"))
                for length in LENGTHS:
                    cell = f"seed={seed},fold={fold},prompt_length={length}"
                    self.stage("acpt", cell, 12, ("train/loss", "val/loss"))
                    self.evaluate(seed, fold, length, self.stage("evaluation", cell, 0, ()))
        pd.DataFrame(self.results).to_csv(self.folder / "results.csv", index=False)
        return self.folder

    def stage(self, name, cell, epochs, columns):
        folder = self.folder / name / cell
        folder.mkdir(parents=True)
        done = {
            "command": ["lightning-cli", "fit", "--config", f"stages/{name}.yaml", "--seed_everything", cell[5]],
            "fingerprint": {
                "config": sha256(name.encode()).hexdigest(),
                "inputs": {"clep/best.ckpt": "ab" * 32},
                "settings": {"emoclap": "0.2.0"},
            },
            "outputs": ["best.ckpt"],
            "versions": {"emoclap": "0.2.0", "torch": "2.12.0", "lightning": "2.6.6"},
            "metrics": {"val/ua": 0.61},
            "started": "2026-03-01T10:00:00",
            "finished": f"2026-03-01T1{['clep', 'acpt', 'evaluation'].index(name)}:00:00",
            "seconds": 93.5,
            "host": "workstation",
        }
        (folder / "done.json").write_text(json.dumps(done))
        (folder / "config.yaml").write_text(f"# {name}\nmodel:\n  lr: 1.0e-5\n  labels: [{', '.join(LABELS)}]\n")
        rows = []
        for epoch in range(epochs):
            fall = np.exp(-epoch / 6)
            values = {"train/loss": 1.1 + 2 * fall, "val/loss": 1.4 + 1.6 * fall, "val/ua": 0.7 - 0.5 * fall}
            for column in columns:
                value = values[column] + 0.04 * self.draw.standard_normal()
                rows.append({"epoch": epoch, "step": epoch * 7 + 6, column: value})
        if rows:
            pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)
        return folder

    def evaluate(self, seed, fold, length, folder):
        tables = []
        for corpus, label_set in self.corpora:
            labels = LABEL_SETS[label_set]
            # The clips of a fold are the same whatever the seed.
            truth = np.random.default_rng(fold).choice(labels, self.clips, p=SHARES)
            for system, skill in SKILL.items():
                skill += 0.03 * LENGTHS.index(length) if "shot" not in system else 0
                skill -= 0.25 * (corpus != "EmoDB")
                scores = self.draw.dirichlet(np.full(len(labels), 0.6), self.clips)
                scores[np.arange(self.clips), [labels.index(t) for t in truth]] += self.draw.random(self.clips) < skill
                scores = scores.astype("float32")
                label = np.array(labels)[scores.argmax(1)]
                clips = pd.DataFrame({"id": [f"f{fold}_{i}" for i in range(self.clips)], "truth": truth})
                clips = clips.assign(corpus=corpus, speaker="", label_set=label_set, seed=seed, fold=fold)
                tables.append(score_rows(clips, system, labels, scores))
                hit = pd.Series(truth == label)
                ua, wa = hit.groupby(truth).mean().mean(), hit.mean()
                for metric, value in {"UA": ua, "WA": wa, "WF1": wa - 0.01, "precision": wa + 0.01}.items():
                    row = {
                        "system": system,
                        "corpus": corpus,
                        "label_set": label_set,
                        "kind": "score",
                        "metric": metric,
                    }
                    row |= {"better": "higher", "seed": seed}
                    self.results.append(row | {"fold": fold, "value": value, "n": self.clips, "prompt_length": length})
            if corpus == "EmoDB":
                self.embed(folder, truth)
        joined(tables).to_parquet(folder / "predictions.parquet")

    def embed(self, folder, truth):
        centres = 1.6 * np.random.default_rng(1).standard_normal((len(LABELS), 32))
        place = np.array([LABELS.index(t) for t in truth])
        kinds = np.repeat(["template", "prompt"], [len(LABELS), 3 * len(LABELS)])
        text_place = np.tile(np.arange(len(LABELS)), 4)
        np.savez(
            folder / "embeddings.npz",
            audio=(centres[place] + 1.2 * self.draw.standard_normal((len(place), 32))).astype(np.float32),
            audio_id=np.array([f"{i}" for i in range(len(place))]),
            audio_label=truth.astype(str),
            audio_corpus=np.full(len(place), "EmoDB"),
            text=(3 + centres[text_place] + 0.5 * self.draw.standard_normal((len(kinds), 32))).astype(np.float32),
            text_label=np.array(LABELS)[text_place],
            text_kind=kinds,
        )


@pytest.fixture(scope="session")
def full_runs(tmp_path_factory) -> Path:
    """The whole matrix; not to be changed."""
    return Author(tmp_path_factory.mktemp("full") / "clep_dg_emodb").write()


@pytest.fixture
def small_runs(tmp_path) -> Path:
    """One seed and two folds, for tests that change a file."""
    return Author(tmp_path / "small", seeds=(1,), folds=range(2), clips=25).write()


MODELS = {"untrained": 0.05, "clap_sce": 0.6, "emotionrankclap": 1.0}
FOUR = ["anger", "happiness", "neutral", "sadness"]
BETTER = {
    "MMD": "lower",
    "MMD2": "lower",
    "sliced W2": "lower",
    "VOC": "higher",
    "AOC": "higher",
    "median rank": "lower",
}
_PLANE = {"anger": (2.0, 6.0), "happiness": (6.0, 5.0), "neutral": (4.0, 4.0), "sadness": (2.0, 2.0)}


class ModelAuthor:
    """Writes the runs folder of a chain that compares models: zero-shot recognition and the shared space."""

    def __init__(self, folder, models=None, seeds=(1, 2, 3), clips=80, corpus="IEMOCAP", grids=((),)):
        self.folder, self.models, self.seeds, self.clips = folder, models or MODELS, seeds, clips
        self.corpus, self.grids = corpus, grids
        self.results = []

    def write(self):
        for seed in self.seeds:
            for model, skill in self.models.items():
                for grid in self.grids:
                    self.evaluate(seed, {"model": model, **dict(grid)}, skill)
        pd.DataFrame(self.results).to_csv(self.folder / "results.csv", index=False)
        return self.folder

    def evaluate(self, seed, axes, skill):
        folder = (
            self.folder / "evaluation" / ",".join(f"{key}={value}" for key, value in {"seed": seed, **axes}.items())
        )
        folder.mkdir(parents=True)
        draw = np.random.default_rng([seed, *map(ord, str(axes))])
        truth = np.random.default_rng(7).choice(FOUR, self.clips)
        label = np.where(
            draw.random(self.clips) < 0.25 + 0.5 * skill, truth, draw.choice(FOUR, self.clips, p=[0.1, 0.2, 0.5, 0.2])
        )
        clips = pd.DataFrame({"id": [f"c{i}" for i in range(self.clips)], "corpus": self.corpus, "truth": truth})
        clips = clips.assign(speaker="", label_set="iemocap4", seed=seed, fold=None)
        scores = (label[:, None] == np.array(FOUR)).astype("float32")
        joined([score_rows(clips, "zero-shot", FOUR, scores)]).to_parquet(folder / "predictions.parquet")
        hit = pd.Series(truth == label)
        trials = self.trials(seed, skill, draw)
        trials.to_csv(folder / "trials.csv", index=False)
        told = {"corpus": self.corpus, "label_set": "iemocap4", "seed": seed, "fold": "", "n": self.clips}
        rows = [
            {"system": "zero-shot", "kind": "score", "metric": metric, "better": "higher", "value": value} | told
            for metric, value in (("UA", hit.groupby(truth).mean().mean()), ("WA", hit.mean()))
        ]
        rows += [
            {"system": "shared space", "kind": "space", "metric": metric, "better": BETTER[metric], "value": value}
            | told
            for metric, value in trials.groupby("metric", sort=False)["value"].mean().items()
        ]
        columns = ["system", "corpus", "label_set", "kind", "metric", "better", "seed", "fold", "value", "n"]
        pd.DataFrame(rows)[columns].to_csv(folder / "results.csv", index=False)
        self.results += [{**{key: row[key] for key in columns}, **axes} for row in rows]
        self.embed(folder, truth, skill, draw)

    def trials(self, seed, skill, draw):
        """30 samples, which are the same pairs whatever the model, and 100 lists."""
        common = np.random.default_rng(seed).standard_normal(100)
        level = {
            "MMD": (0.5 - 0.4 * skill, 0.02, 30),
            "MMD2": (0.002 - 0.0015 * skill, 0.0001, 30),
            "sliced W2": (0.3 - 0.2 * skill, 0.01, 30),
            "VOC": (0.55 * skill, 0.15, 100),
            "AOC": (0.5 * skill, 0.15, 100),
            "median rank": (30.0 - 20 * skill, 0.0, 1),
        }
        parts = [
            pd.DataFrame(
                {
                    "metric": metric,
                    "trial": range(n),
                    "value": mean
                    + spread * (common[:n] + 0.6 * draw.standard_normal(n))
                    + 0.3 * spread * draw.standard_normal(),
                }
            )
            for metric, (mean, spread, n) in level.items()
        ]
        table = pd.concat(parts, ignore_index=True)
        table.loc[(table["metric"] == "VOC") & (table["trial"] == 17), "value"] = np.nan
        return table

    def embed(self, folder, truth, skill, draw):
        spots = np.array([_PLANE[name] for name in truth])
        place = np.clip(spots + np.random.default_rng(8).normal(0, 0.8, (self.clips, 2)), 1, 7)
        rating = np.column_stack([place, np.full(self.clips, np.nan)])
        rating[0] = np.nan
        shape = np.random.default_rng(9).standard_normal((2, 24))
        direction = (place - 4) / 3 @ shape
        gap = np.zeros(24)
        gap[0] = 6 * (1 - skill)
        audio = skill * 2 * direction + draw.standard_normal((self.clips, 24)) + gap
        caption = skill * 2 * direction + 0.6 * draw.standard_normal((self.clips, 24)) - gap
        np.savez(
            folder / "embeddings.npz",
            audio=audio.astype(np.float32),
            audio_id=np.array([f"c{i}" for i in range(self.clips)]),
            audio_label=truth.astype(str),
            audio_corpus=np.full(self.clips, self.corpus),
            text=draw.standard_normal((4, 24)).astype(np.float32),
            text_label=np.array(FOUR),
            text_kind=np.full(4, "template"),
            caption=caption.astype(np.float32),
            rating=rating.astype(np.float32),
        )


@pytest.fixture(scope="session")
def model_runs(tmp_path_factory) -> Path:
    """Three models, three seeds, one corpus; not to be changed."""
    return ModelAuthor(tmp_path_factory.mktemp("models") / "models").write()


@pytest.fixture(scope="session")
def grid_runs(tmp_path_factory) -> Path:
    """Two models over gamma and beta, one seed; not to be changed."""
    grids = [(("gamma", gamma), ("beta", beta)) for gamma in (0.1, 0.5, 0.9) for beta in (0.1, 0.3)]
    models = {"paraclap": 0.4, "smoothclap": 0.8}
    return ModelAuthor(tmp_path_factory.mktemp("grid") / "grid", models, seeds=(1,), clips=40, grids=grids).write()


@pytest.fixture(scope="session")
def rated_runs(tmp_path_factory) -> Path:
    """A run that rated dimensions and answered in words, classes none; not to be changed."""
    folder = tmp_path_factory.mktemp("rated") / "evaluation"
    folder.mkdir()
    draw, n = np.random.default_rng(5), 40
    told = {"id": [f"c{i}" for i in range(n)], "speaker": [f"s{i % 8}" for i in range(n)], "truth": None}
    clips = pd.DataFrame(told).assign(corpus="X", label_set="iemocap4", seed=1, fold=None)
    truth = draw.uniform(1, 7, (n, 2)).astype("float32")
    truth[:4, 1] = np.nan
    rated = (truth + draw.normal(0, 1, (n, 2))).astype("float32")
    rated[:4, 1] = 4
    parts = [rating_rows(clips, "dimensional", ["valence", "arousal"], rated, truth)]
    parts.append(text_rows(clips, "answers", [f"Answer <{i}>." for i in range(n)]))
    joined(parts).to_parquet(folder / "predictions.parquet", index=False)
    rows = []
    for place, dimension in enumerate(("valence", "arousal")):
        known = np.isfinite(truth[:, place])
        for score in RATING_SCORES:
            value = score.of(rated[known, place], truth[known, place])
            rows.append((f"{score.name} {dimension}", score.better, value, known.sum()))
    table = pd.DataFrame(rows, columns=["metric", "better", "value", "n"])
    table = table.assign(system="dimensional", corpus="X", label_set="iemocap4", kind="rating", seed=1, fold="")
    table.to_csv(folder / "results.csv", index=False)
    return folder
