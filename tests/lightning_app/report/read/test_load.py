"""Reading a runs folder, and what is said of a broken one."""

import json

import numpy as np
import pandas as pd
import pytest

from datamodules.errors import DataError
from lightning_app.errors import ConfigError
from lightning_app.report.read.load import load
from lightning_app.report.read.tables import as_text
from lightning_app.runs.predictions import joined, score_rows, text_rows


def test_everything_is_found(small_runs):
    runs = load(small_runs)
    assert runs.axes == ["prompt_length"]
    assert list(dict.fromkeys(run.stage for run in runs.stages)) == ["clep", "acpt", "evaluation"]
    assert [run.cell for run in runs.stages if run.stage == "clep"] == ["seed=1,fold=0", "seed=1,fold=1"]
    assert set(runs.predictions["label_set"]) == {"emodb7"}
    assert set(runs.predictions["prompt_length"]) == {"4", "8", "16"}
    assert len(runs.predictions) == 2 * 3 * 4 * 25


def test_predictions_of_a_setting(small_runs):
    runs = load(small_runs)
    setting = {"system": "zero-shot", "corpus": "EmoDB", "label_set": "emodb7", "prompt_length": "8"}
    rows = runs.predictions_of(setting)
    assert len(rows) == 2 * 25
    assert set(rows["prompt_length"]) == {"8"}
    assert runs.predictions_of(setting | {"prompt_length": "99"}).empty


def test_classes_by_name_by_list_and_by_scores(small_runs):
    path = small_runs / "evaluation" / "seed=1,fold=0,prompt_length=4" / "predictions.parquet"
    clips = pd.DataFrame(
        {"id": ["a"], "corpus": "X", "speaker": "", "label_set": "mine", "truth": "fear", "seed": 1, "fold": 0}
    )
    joined([score_rows(clips, "zero-shot", ["fear", "anger"], np.float32([[0.5, 0.5]]))]).to_parquet(path)
    runs = load(small_runs)
    assert runs.classes("iemocap4") == ["anger", "happiness", "neutral", "sadness"]
    assert runs.classes("anger+fear") == ["anger", "fear"]
    assert runs.classes("mine") == ["fear", "anger"]
    assert runs.classes("another") == []


def test_results_alone_are_enough(small_runs, tmp_path):
    (tmp_path / "results.csv").write_text((small_runs / "results.csv").read_text())
    (tmp_path / "empty").mkdir()
    runs = load(tmp_path)
    assert runs.predictions.empty
    assert runs.predictions_of(runs.results.iloc[0].to_dict()).empty


def test_a_run_that_an_axis_does_not_reach_has_an_empty_value_and_the_cell_names_the_seed(small_runs):
    first = small_runs / "evaluation" / "seed=1,fold=0,prompt_length=4"
    first.rename(first.with_name("seed=7,fold=0"))
    rows = load(small_runs).predictions
    assert set(rows["prompt_length"]) == {"", "4", "8", "16"}
    assert set(rows.loc[rows["prompt_length"] == "", "seed"]) == {"7"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"results\.csv: not found; .*lightning-cli chain --config"),
        ("", r"results\.csv: No columns.*lightning-cli chain"),
        (
            "system,corpus,label_set,kind,metric,better,seed,fold,value,n\n",
            r"results\.csv: no row .*lightning-cli chain",
        ),
        (
            "system,corpus,label_set,kind,metric,better,seed,fold,n\na,X,v,score,UA,higher,1,0,5\n",
            "no column value; expected system",
        ),
        (
            "system,corpus,label_set,kind,metric,better,seed,fold,value,n\na,X,v,score,UA,higher,1,0,0.5,5\na,X,v,score,UA,higher,1,1,high,5\n",
            r"results\.csv:3:value: found 'high', expected a number",
        ),
    ],
)
def test_bad_results(tmp_path, content, said):
    if content is not None:
        (tmp_path / "results.csv").write_text(content)
    with pytest.raises(DataError, match=said) as raised:
        load(tmp_path)
    assert raised.value.exit_code == 3


def test_bad_files_are_named(small_runs):
    done = small_runs / "acpt" / "seed=1,fold=0,prompt_length=4" / "done.json"
    whole = done.read_text()
    done.write_text(whole[:40])
    with pytest.raises(ConfigError, match=r"prompt_length=4/done\.json: damaged"):
        load(small_runs)
    done.write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match=r"done\.json: damaged \(no JSON object\)"):
        load(small_runs)
    done.write_text(whole)
    parquet = next(small_runs.rglob("predictions.parquet"))
    pd.read_parquet(parquet).drop(columns="truth").to_parquet(parquet)
    with pytest.raises(DataError, match=r"predictions\.parquet: no column truth"):
        load(small_runs)
    parquet.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"predictions\.parquet: .*delete the folder"):
        load(small_runs)


def test_numbers_of_axes_are_one_key_and_words_stay_as_they_are(small_runs):
    path = small_runs / "evaluation" / "seed=1,fold=0,prompt_length=4" / "predictions.parquet"
    clips = pd.DataFrame(
        {"id": ["8", "8.0"], "corpus": "1.0", "speaker": "2.0", "label_set": "v1.0", "truth": "fear", "seed": 1.0}
    ).assign(fold=0.0)
    joined([text_rows(clips, "listener", ["version 2.0", "3.0"])]).to_parquet(path)
    rows = load(small_runs).texts
    assert rows["id"].tolist() == ["8", "8.0"]
    assert rows["text"].tolist() == ["version 2.0", "3.0"]
    assert set(rows[["corpus", "speaker", "label_set"]].itertuples(index=False, name=None)) == {("1.0", "2.0", "v1.0")}
    assert set(rows[["seed", "fold", "prompt_length"]].itertuples(index=False, name=None)) == {("1", "0", "4")}


def test_as_text_of_an_axis_and_of_words():
    table = pd.DataFrame({"prompt_length": [8.0, np.nan], "seed": ["1", "1.0"], "system": ["LAION 2.0", None]})
    assert as_text(table, list(table)).to_numpy().tolist() == [["8", "1", "LAION 2.0"], ["", "1", ""]]
