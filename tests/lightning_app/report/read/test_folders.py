"""Which runs a report is about: those of a chain, of a folder, or one and what it started from."""

import json
import shutil
from argparse import Namespace
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from datamodules.errors import DataError
from lightning_app.commands import report
from lightning_app.report.read.load import load


def finish(folder: Path, source: Path | None = None, named: str | None = None) -> Path:
    """Write done.json as a stage does that started from another's best.ckpt."""
    checkpoint = folder / "best.ckpt"
    checkpoint.write_text(folder.name)
    done = json.loads((folder / "done.json").read_text())
    done["outputs"] = {"best.ckpt": sha256(checkpoint.read_bytes()).hexdigest()}
    done["fingerprint"] = {"config": "00", "inputs": {}, "settings": {"emoclap": "0.2.0"}}
    if source is not None:
        path = named or str(source / "best.ckpt")
        done["fingerprint"]["settings"]["model.init_from"] = path
        done["fingerprint"]["inputs"][path] = sha256((source / "best.ckpt").read_bytes()).hexdigest()
    (folder / "done.json").write_text(json.dumps(done))
    return folder


@pytest.fixture
def recipe(small_runs, tmp_path) -> Path:
    """runs/ after clep, acpt and a test, each by a command of its own."""
    runs = tmp_path / "runs"
    cell = "seed=1,fold=0"
    shutil.copytree(small_runs / "clep" / cell, runs / "clep")
    shutil.copytree(small_runs / "acpt" / f"{cell},prompt_length=8", runs / "acpt")
    shutil.copytree(small_runs / "evaluation" / f"{cell},prompt_length=8", runs / "evaluation")
    table = pd.read_csv(small_runs / "results.csv")
    own = table[(table["seed"] == 1) & (table["fold"] == 0) & (table["prompt_length"] == 8)]
    own.drop(columns="prompt_length").to_csv(runs / "evaluation" / "results.csv", index=False)
    finish(finish(finish(runs / "clep").parent / "acpt", runs / "clep").parent / "evaluation", runs / "acpt")
    return runs


def report_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    config = Namespace(runs=folder, title=None, out=None, markdown=False, reference=None)
    assert report.run(config) == 0
    return Path(capsys.readouterr().out.strip()).read_text(encoding="utf-8")


@pytest.mark.parametrize("which", [".", "evaluation"])
def test_a_run_folder_and_a_folder_of_run_folders_have_all_that_a_chain_has(recipe, which, capsys, monkeypatch):
    """Confusions, map, curves of the stages before, records, and a check of every score."""
    monkeypatch.chdir(recipe.parent)
    folder = Path("runs") / which
    runs = load(folder)
    assert [run.stage for run in runs.stages] == ["clep", "acpt", "evaluation"]
    assert len(runs.predictions) == 4 * 25
    page = report_of(folder, capsys)
    for absent in ("No predictions.parquet", "No embeddings.npz", "No metrics.csv", "No run folders", "not be checked"):
        assert absent not in page
    assert "8 values of UA and WA were computed again" in page
    assert f"lightning-cli report --runs\n{folder}</code>" in page


def test_stages_of_a_recipe_are_found_beside_a_run_that_was_moved(recipe):
    finish(recipe / "evaluation", recipe / "acpt", named="elsewhere/runs/acpt/best.ckpt")
    assert [run.stage for run in load(recipe / "evaluation").stages] == ["clep", "acpt", "evaluation"]


def test_a_stage_that_was_trained_anew_is_not_the_one_before(recipe):
    done = json.loads((recipe / "acpt" / "done.json").read_text())
    done["outputs"]["best.ckpt"] = "another"
    (recipe / "acpt" / "done.json").write_text(json.dumps(done))
    assert [run.stage for run in load(recipe / "evaluation").stages] == ["evaluation"]


def test_several_evaluations_are_told_apart_and_predictions_without_truth_left_out(recipe):
    shutil.copytree(recipe / "evaluation", recipe / "evaluation_tess")
    (recipe / "predict").mkdir()
    shutil.copy(recipe / "evaluation" / "predictions.parquet", recipe / "predict")
    shutil.copy(recipe / "evaluation" / "done.json", recipe / "predict")
    runs = load(recipe)
    assert runs.axes == ["run"]
    assert set(runs.results["run"]) == set(runs.predictions["run"]) == {"evaluation", "evaluation_tess"}
    assert len(runs.predictions) == 2 * 4 * 25
    assert "predict" not in {run.stage for run in runs.stages}


def test_cells_of_one_stage_keep_their_axes(small_runs):
    stage = small_runs / "evaluation"
    table = pd.read_csv(small_runs / "results.csv")
    for cell in stage.iterdir():
        fold, length = (part.split("=")[1] for part in cell.name.split(",")[1:])
        own = table[(table["fold"] == int(fold)) & (table["prompt_length"] == int(length))]
        own.drop(columns=["prompt_length", "fold"]).assign(fold="").to_csv(cell / "results.csv", index=False)
    whole, part = load(small_runs), load(stage)
    keys = [*whole.setting, "metric", "seed", "fold"]
    pd.testing.assert_frame_equal(
        part.results.sort_values(keys, ignore_index=True)[whole.results.columns],
        whole.results.sort_values(keys, ignore_index=True),
    )
    one = load(stage / "seed=1,fold=1,prompt_length=4")
    assert [(run.stage, run.cell) for run in one.stages] == [("evaluation", "seed=1,fold=1,prompt_length=4")]


def test_what_to_do_is_said_where_nothing_was_evaluated(recipe, tmp_path):
    shutil.rmtree(recipe / "evaluation")
    with pytest.raises(
        DataError, match=r"no run in it has been evaluated; .*--model\.init_from .*/runs/acpt/best\.ckpt"
    ):
        load(recipe)
    with pytest.raises(
        DataError, match=r"clep: a run without results; test it: `lightning-cli test .*clep/best\.ckpt`"
    ):
        load(recipe / "clep")
    with pytest.raises(DataError, match="no such folder; name a chain's folder, a run folder or"):
        load(recipe / "absent")


def test_a_folder_of_chains_names_them(small_runs, tmp_path):
    with pytest.raises(DataError, match=r"holds several chains; report one of them: `.* --runs .*small`"):
        load(small_runs.parent)
