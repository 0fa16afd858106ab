"""The embedding map: how many points, how far apart the modalities, and what is refused."""

import numpy as np
import pytest

from datamodules.errors import DataError
from lightning_app.report.plots import embedding
from lightning_app.report.plots.embedding import embedding_map


def store(path, clips=40, texts=6, gap=0.0):
    draw = np.random.default_rng(0)
    audio, text = draw.standard_normal((clips, 8)) * [0, 1, 1, 1, 1, 1, 1, 1], np.zeros((texts, 8))
    audio[clips // 2 :] = -audio[: clips - clips // 2]  # their mean is the origin
    text[:, 0] = 3.0 if gap else 0.0
    arrays = {
        "audio": audio.astype(np.float32),
        "audio_id": np.arange(clips).astype(str),
        "audio_label": draw.choice(["anger", "fear"], clips),
        "audio_corpus": np.full(clips, "EmoDB"),
        "text": text.astype(np.float32),
        "text_label": np.resize(["anger", "fear"], texts).astype(str),
        "text_kind": np.resize(["template", "prompt", "prompt"], texts).astype(str),
    }
    np.savez(path, **arrays)
    return arrays


def test_map(tmp_path):
    store(tmp_path / "e.npz", gap=1.0)
    drawn = embedding_map(tmp_path / "e.npz", "map")
    assert (drawn.shown, drawn.clips, drawn.texts) == (40, 40, 6)
    assert drawn.gap == pytest.approx(1.0, abs=1e-5)  # the texts are one unit vector, the clips' mean is zero
    for said in ("anger", "fear", "text: template", "text: prompt", "audio clip"):
        assert said in drawn.svg


def test_many_clips_are_thinned_the_same_way_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "POINTS", 15)
    store(tmp_path / "e.npz")
    first, second = (embedding_map(tmp_path / "e.npz", "map") for _ in range(2))
    assert (first.shown, first.clips) == (15, 40)
    assert first.svg == second.svg


def test_too_few_points_make_no_map(tmp_path):
    store(tmp_path / "e.npz", clips=2, texts=1)
    assert embedding_map(tmp_path / "e.npz", "map") is None


def test_bad_files_are_named(tmp_path):
    arrays = store(tmp_path / "e.npz")
    del arrays["text_kind"]
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(DataError, match=r"e\.npz: no array text_kind"):
        embedding_map(tmp_path / "e.npz", "map")
    (tmp_path / "e.npz").write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"e\.npz: .*delete the folder"):
        embedding_map(tmp_path / "e.npz", "map")
