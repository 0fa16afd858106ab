"""Plots of the shared space: similarity against a loop, the joint plane against scikit-learn, and their data."""

import math
import re

import numpy as np
import pytest
from sklearn.decomposition import PCA

from datamodules.errors import DataError
from lightning_app.report.plots.space import clouds_plot, curve, plane, similarity_plot
from lightning_app.report.read.load import load
from lightning_app.report.read.space import Space, StageSpaces, read_space, spaces


def words(svg):
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def some_space(n=20, seed=0):
    draw = np.random.default_rng(seed)
    return Space(unit(draw.normal(0.5, 1, (n, 6))), unit(draw.normal(-0.5, 1, (n, 6))), draw.uniform(1, 7, (n, 3)))


def test_similarity_equals_a_loop_over_pairs():
    space = some_space()
    space.rating_N3[3, 1] = np.nan
    found, bins, own = curve(space), {}, {}
    for i in range(20):
        for j in range(20):
            if 3 not in (i, j):
                (v, a), (w, b) = space.rating_N3[i, :2], space.rating_N3[j, :2]
                cosine = sum(x * y for x, y in zip(space.audio_NE[i], space.caption_NE[j], strict=True))
                place = int(math.sqrt((v - w) ** 2 + (a - b) ** 2) / 0.5)
                bins.setdefault(place, []).append(cosine)
                own.setdefault(place, {}).setdefault(i, []).append(cosine)
    for place in range(len(found.mean_B)):
        if place not in bins:
            assert np.isnan(found.mean_B[place])
            continue
        assert found.mean_B[place] == pytest.approx(np.mean(bins[place]), abs=1e-12)
        of_clips = [np.mean(values) for values in own[place].values()]
        assert found.error_B[place] == pytest.approx(np.std(of_clips) / math.sqrt(len(of_clips)), abs=1e-12)


def test_similarity_of_an_ordered_space_falls():
    place = np.linspace(0, np.pi / 2, 30)
    circle = np.column_stack([np.cos(place), np.sin(place)])
    found = curve(Space(circle, circle, np.column_stack([1 + 6 * place / place.max(), *[np.full(30, 4.0)] * 2])))
    means = found.mean_B[~np.isnan(found.mean_B)]
    assert (np.diff(means) < 0).all()
    assert found.correlation < -0.95


def test_no_ratings_no_curve():
    space = some_space()
    space.rating_N3[1:, 0] = np.nan
    assert curve(space) is None


def test_plane_equals_the_reference():
    space = some_space()
    flat = plane(space)
    reference = PCA(2).fit(np.concatenate([space.audio_NE, space.caption_NE]))
    points = reference.transform(np.concatenate([space.audio_NE, space.caption_NE]))
    np.testing.assert_allclose(np.abs(np.concatenate([flat.audio_N2, flat.caption_N2])), np.abs(points), atol=1e-9)
    assert flat.kept == pytest.approx(reference.explained_variance_ratio_.sum())
    assert flat.gap == pytest.approx(np.linalg.norm(space.audio_NE.mean(0) - space.caption_NE.mean(0)))


def test_models_untrained_first_and_their_runs(model_runs, grid_runs, small_runs):
    (stage,) = spaces(load(model_runs))
    assert list(stage.files) == ["untrained", "clap_sce", "emotionrankclap"]
    assert [len(paths) for paths in stage.files.values()] == [3, 3, 3]
    assert "seed=1," in str(stage.files["clap_sce"][0])
    (stage,) = spaces(load(grid_runs))  # one seed: a model stands at its first gamma and beta
    assert [len(paths) for paths in stage.files.values()] == [1, 1]
    assert spaces(load(small_runs)) == []  # no captions


def test_plots_name_every_model(model_runs):
    (stage,) = spaces(load(model_runs))
    said = words(similarity_plot(stage, "s"))
    assert [word.split(" ")[0] for word in said if "(r =" in word] == list(stage.files)
    said = words(clouds_plot(stage, "c"))
    assert {*stage.files, "clip", "caption", "valence 7"} <= {word.strip() for word in said}


def test_unrated_clips_are_shown_by_modality_alone(model_runs, tmp_path):
    arrays = dict(np.load(next(model_runs.rglob("embeddings.npz"))))
    del arrays["rating"]
    np.savez(tmp_path / "e.npz", **arrays)
    stage = StageSpaces("evaluation", {"clap": [tmp_path / "e.npz"]})
    assert similarity_plot(stage, "s") is None
    assert not any(word.startswith("valence") for word in words(clouds_plot(stage, "c")))
    np.savez(tmp_path / "e.npz", **arrays | {"caption": arrays["caption"][1:]})
    with pytest.raises(DataError, match=r"e\.npz: caption is \(79, 24\)"):
        read_space(tmp_path / "e.npz")
