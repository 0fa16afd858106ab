"""A run folder that holds another run is never written over unasked."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lightning_app.errors import ConfigError
from lightning_app.runs.files import EVALUATED, OUTPUTS, holds_run
from lightning_app.runs.fingerprint import Fingerprint
from lightning_app.runs.folder import AlreadyDone, RunFolder, in_own_folder
from lightning_app.runs.records import write_done, write_started

FIT = ["fit", "--config", "stages/clep.yaml"]
ONE, TWO = Fingerprint("1", {}, {"model.lr": 1}), Fingerprint("2", {}, {"model.lr": 2})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def take(run: Path, mark: Fingerprint, *, ckpt_path: str | None = None, overwrite: bool = False, verb: str = "fit"):
    with RunFolder([verb, "--config", "a.yaml"], mark, overwrite) as folder:
        resumed = folder.take(run, ckpt_path)
        folder.begin()
    return resumed


def finish(run: Path, mark: Fingerprint) -> None:
    (run / "best.ckpt").write_text("weights")
    write_done(run, command=FIT, fingerprint=mark, started=pd.Timestamp.now("UTC"), outputs=[run / "best.ckpt"])


def names(run: Path) -> set[str]:
    return {path.name for path in run.iterdir()} - {"run.lock", "started.json"}


def test_an_empty_folder_says_what_begins_in_it(run: Path) -> None:
    (run / "mine.txt").touch()
    assert take(run, ONE) is None
    assert json.loads((run / "started.json").read_text())["fingerprint"]["config"] == "1"
    assert names(run) == {"mine.txt"}


def test_what_is_done_is_not_done_again(run: Path) -> None:
    finish(run, ONE)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    for ckpt_path in (None, str(run / "last.ckpt")):
        with pytest.raises(
            AlreadyDone, match=r"holds this run, and it is done; nothing to do \(--overwrite runs it again\)"
        ):
            take(run, ONE, ckpt_path=ckpt_path)
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.name != "run.lock"} == before


def test_another_run_is_refused_with_what_differs_and_both_remedies(run: Path) -> None:
    finish(run, ONE)
    with pytest.raises(ConfigError) as refused:
        take(run, TWO)
    assert str(refused.value) == (
        f"{run} holds results of another run: configuration changed (model.lr); --overwrite replaces them, "
        "--trainer.default_root_dir OTHER keeps both"
    )
    assert names(run) == {"best.ckpt", "done.json"}


def test_a_stopped_run_goes_on(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_started(run, FIT, ONE)
    (run / "last.ckpt").touch()
    assert take(run, ONE) == run / "last.ckpt"
    assert f"goes on from {run}/last.ckpt, where it stopped (delete that file to start anew)" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="configuration changed"):
        take(run, TWO)
    assert (run / "last.ckpt").exists()


@pytest.mark.parametrize("ckpt_path", ["run/last.ckpt", "last"])
def test_a_checkpoint_of_the_folder_is_resumed_whatever_changed(
    run: Path, ckpt_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    write_started(run, FIT, ONE)
    (run / "last.ckpt").touch()
    assert take(run, TWO, ckpt_path=ckpt_path) is None
    assert names(run) == {"last.ckpt"}


def test_a_checkpoint_from_elsewhere_replaces_nothing(run: Path) -> None:
    write_started(run, FIT, ONE)
    (run / "last.ckpt").touch()
    with pytest.raises(ConfigError, match=r"this one resumes from other/last\.ckpt; --overwrite"):
        take(run, ONE, ckpt_path="other/last.ckpt")


def test_a_folder_that_says_nothing_is_not_taken_for_empty(run: Path) -> None:
    (run / "best.ckpt").touch()
    with pytest.raises(ConfigError, match="nothing says of which run they are"):
        take(run, ONE)


def test_a_changed_output_is_not_done(run: Path) -> None:
    finish(run, ONE)
    (run / "best.ckpt").write_text("others")
    with pytest.raises(ConfigError, match=r"output best\.ckpt was changed"):
        take(run, ONE)


def test_overwriting_keeps_the_old_run_until_the_new_one_has_succeeded(run: Path) -> None:
    finish(run, ONE)
    for name in ("best.ckpt.sha256", "hpc_ckpt_1.ckpt", "metrics.csv", "mine.txt", "mine.ckpt"):
        (run / name).touch()
    (run / "seed=1").mkdir()
    assert take(run, TWO, overwrite=True) is None
    assert names(run) == {"previous", "mine.txt", "mine.ckpt", "seed=1"}
    kept = {"best.ckpt", "best.ckpt.sha256", "hpc_ckpt_1.ckpt", "metrics.csv", "done.json"}
    assert names(run / "previous") == kept
    # The new run fails, and so does the next: what had succeeded is still there.
    (run / "last.ckpt").touch()
    (run / "best.ckpt").write_text("half trained")
    take(run, ONE, overwrite=True)
    assert names(run) == {"previous", "mine.txt", "mine.ckpt", "seed=1"}
    assert (run / "previous/best.ckpt").read_text() == "weights"
    finish(run, ONE)
    assert names(run) == {"best.ckpt", "done.json", "mine.txt", "mine.ckpt", "seed=1"}


def test_what_failed_later_does_not_mix_into_a_whole_run(run: Path) -> None:
    write_started(run, FIT, ONE)
    finish(run, ONE)
    take(run, TWO, overwrite=True)
    whole = {path.name: path.read_bytes() for path in (run / "previous").iterdir()}
    assert set(whole) == {"best.ckpt", "done.json", "started.json"}
    for name in ("last.ckpt", "hpc_ckpt_1.ckpt", "metrics.csv", "config.yaml"):
        (run / name).write_text("half trained")
    take(run, ONE, overwrite=True)
    assert {path.name: path.read_bytes() for path in (run / "previous").iterdir()} == whole
    assert names(run) == {"previous"}


def test_of_two_runs_that_failed_the_later_one_is_kept(run: Path) -> None:
    for mark, name in ((ONE, "last.ckpt"), (TWO, "hpc_ckpt_1.ckpt"), (Fingerprint("3", {}, {}), "best.ckpt")):
        take(run, mark, overwrite=True)
        (run / name).touch()
    take(run, ONE, overwrite=True)
    assert names(run / "previous") == {"best.ckpt"}


def test_every_file_of_an_evaluation_is_set_aside_and_vouched_for(run: Path) -> None:
    write_started(run, FIT, ONE)
    for name in EVALUATED:
        (run / name).touch()
        assert holds_run(run)
        take(run, ONE, overwrite=True)
        assert names(run) == {"previous"}
        assert names(run / "previous") == {name}
    assert set(EVALUATED) == {"predictions.parquet", "results.csv", "trials.csv", "embeddings.npz"} <= set(OUTPUTS)


def test_a_run_that_fails_says_where_the_old_one_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(run, ONE)
    with RunFolder(FIT, TWO, overwrite=True) as folder:
        folder.take(run, None)
        folder.begin()
    assert f"lightning-cli fit: what {run} held before lies in {run}/previous" in capsys.readouterr().err
    (run / "last.ckpt").touch()
    assert folder.way_on() == f"; the same command goes on from {run}/last.ckpt"


def test_what_was_killed_while_it_moved_is_moved_to_the_end(run: Path) -> None:
    finish(run, ONE)
    (run / "previous").mkdir()
    (run / "done.json").rename(run / "previous/done.json")
    take(run, TWO, overwrite=True)
    assert names(run / "previous") == {"best.ckpt", "done.json"}


def test_a_job_that_is_put_back_into_the_queue_overwrites_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_started(run, FIT, ONE)
    (run / "last.ckpt").touch()
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert take(run, ONE, overwrite=True) == run / "last.ckpt"


def test_a_stopped_run_that_overwrote_another_goes_on(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(run, ONE)
    take(run, TWO, overwrite=True)
    (run / "last.ckpt").write_text("half way")
    for _ in range(2):
        assert take(run, TWO, overwrite=True) == run / "last.ckpt"
        assert f"goes on from {run}/last.ckpt, where it stopped" in capsys.readouterr().err
        assert (run / "last.ckpt").read_text() == "half way"
    assert names(run / "previous") == {"best.ckpt", "done.json"}
    finish(run, TWO)
    assert take(run, TWO, overwrite=True) is None
    assert names(run / "previous") == {"best.ckpt", "last.ckpt", "done.json"}


@pytest.mark.parametrize("damage", ["{", '{"fingerprint": 1}'])
def test_a_damaged_note_of_what_began_is_overwritten(run: Path, damage: str) -> None:
    (run / "started.json").write_text(damage)
    (run / "last.ckpt").touch()
    assert take(run, ONE, overwrite=True) is None
    assert names(run) == {"previous"}


def test_a_checkpoint_from_elsewhere_overwrites_a_stopped_run(run: Path) -> None:
    write_started(run, FIT, ONE)
    (run / "last.ckpt").touch()
    assert take(run, ONE, ckpt_path="other/last.ckpt", overwrite=True) is None
    assert names(run) == {"previous"}


@pytest.mark.parametrize("verb", ["test", "predict"])
def test_tests_are_repeated_but_not_replaced(run: Path, verb: str) -> None:
    finish(run, ONE)
    assert take(run, ONE, verb=verb) is None
    assert names(run / "previous") == {"best.ckpt", "done.json"}
    finish(run, ONE)
    with pytest.raises(ConfigError, match="holds results of another run"):
        take(run, TWO, verb=verb)


def test_what_the_command_reads_is_not_moved_away(run: Path) -> None:
    finish(run, ONE)
    mark = Fingerprint("2", {str(run / "best.ckpt"): "digest"}, {})
    with pytest.raises(ConfigError, match=r"reads .*best\.ckpt, which it would replace; name another run folder"):
        take(run, mark, overwrite=True)
    assert (run / "best.ckpt").exists()


def test_two_commands_in_one_folder(run: Path) -> None:
    with RunFolder(FIT, ONE, False) as first:
        first.take(run, None)
        with pytest.raises(ConfigError, match=f"another command works in this folder: process {os.getpid()} on"):
            take(run, ONE)
    take(run, ONE)


def test_other_ranks_neither_wait_nor_write(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_started(run, FIT, ONE)
    (run / "last.ckpt").touch()
    with RunFolder(FIT, ONE, False) as first:
        assert first.take(run, None) == run / "last.ckpt"
        first.begin()
        before = {path.name: path.read_bytes() for path in run.iterdir()}
        monkeypatch.setenv("LOCAL_RANK", "1")
        assert take(run, ONE) == run / "last.ckpt"
    after = {path.name: path.read_bytes() for path in run.iterdir() if path.name != "run.lock"}
    assert after == {name: content for name, content in before.items() if name != "run.lock"}


def test_other_ranks_refuse_what_the_first_one_refuses(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_app.runs.folder.SETTLED", 0)
    finish(run, ONE)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    for rank in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.setenv(rank, "1")
        with pytest.raises(ConfigError, match=r"holds results of another run: configuration changed \(model\.lr\)"):
            take(run, TWO)
        monkeypatch.delenv(rank)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_rank_that_comes_late_is_not_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    write_started(run, FIT, ONE)  # by the first process, a moment ago
    (run / "hpc_ckpt_1.ckpt").touch()
    assert take(run, ONE) is None
    # It finds an old run that is gone a moment later, and what the first process says then.
    finish(run, TWO)

    def move(_: float) -> None:
        for path in list(run.iterdir()):
            path.unlink()
        write_started(run, FIT, ONE)

    monkeypatch.setattr("time.sleep", move)
    assert take(run, ONE) is None
    assert names(run) == set()


def test_what_a_killed_save_left_is_taken_away(run: Path) -> None:
    for name in (".last.ckpt.x1", ".best.ckpt.sha256.y2", ".done.json.z3"):
        (run / name).touch()
    (run / ".hidden").touch()
    take(run, ONE)
    assert names(run) == {".hidden"}


@pytest.mark.parametrize(
    ("place", "why"), [("file/run", "file is a file"), ("file", "file is a file"), ("/proc/none/run", "No such file")]
)
def test_a_folder_that_cannot_be_made(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "file").touch()
    remedy = r"name another folder with --trainer\.default_root_dir"
    with pytest.raises(ConfigError, match=f"the run folder cannot be written: .*{why}.*; .*{remedy}"):
        take(tmp_path / place, ONE)


def test_predict_has_a_folder_of_its_own() -> None:
    words = ["predict", "--config", "stages/evaluation.yaml"]
    assert in_own_folder(words) == [*words, "--trainer.default_root_dir=runs/predict"]
    assert in_own_folder([*words, "--trainer.default_root_dir", "mine"])[3:] == ["--trainer.default_root_dir", "mine"]
    assert in_own_folder(["test", *words[1:]]) == ["test", *words[1:]]


def test_predict_keeps_a_folder_that_a_file_of_ones_own_names(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("trainer: {default_root_dir: out/mine}\n")
    words = ["predict", "--config", "stages/evaluation.yaml", "--config", str(tmp_path / "mine.yaml")]
    assert in_own_folder(words) == words
    assert in_own_folder(["predict", "--config", "stages/clep.yaml"])[-1] == "--trainer.default_root_dir=runs/predict"


@pytest.mark.parametrize("folder", ["runs/clep", "out/mine"])
def test_a_checkpoint_by_a_word_is_that_of_the_configuration(
    command: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(f"trainer: {{default_root_dir: {folder}}}\n")
    words = ["--config", "stages/clep.yaml", "--config", "mine.yaml", "--ckpt_path=last"]
    assert command("predict", *words) == 4
    assert f"{folder}/last.ckpt" in capsys.readouterr().err


def test_the_command_line_as_a_whole(
    command: Callable[..., int], tiny_yaml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.limit_train_batches=1"]
    words += ["--trainer.limit_val_batches=0", f"--trainer.default_root_dir={tmp_path}"]
    assert command(*words) == 0
    first = (tmp_path / "best.ckpt").read_bytes()
    assert command(*words) == 0
    assert "it is done; nothing to do" in capsys.readouterr().err
    assert command(*words, "--model.optimizer.lr=0.5") == 2
    assert "configuration changed (model.optimizer.lr)" in capsys.readouterr().err
    assert (tmp_path / "best.ckpt").read_bytes() == first
    # A mistake that is found in time leaves the folder as it is, also where it may be replaced.
    assert command(*words, "--overwrite", "--data.labels=seven7") == 3
    assert (tmp_path / "best.ckpt").read_bytes() == first
    assert command(*words, "--model.optimizer.lr=0.5", "--overwrite") == 0
    assert (tmp_path / "best.ckpt").read_bytes() != first
    assert not (tmp_path / "previous").exists()
    assert "--overwrite" not in json.loads((tmp_path / "done.json").read_text())["command"]


def test_a_resume_that_is_refused_changes_no_record_of_the_run(
    command: Callable[..., int], tiny_yaml: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ["fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, f"--trainer.default_root_dir={run}"]
    assert command(*fit, "--trainer.max_epochs=1") == 0
    before = {name: (run / name).read_bytes() for name in ("started.json", "config.yaml", "done.json")}
    more = [f"--ckpt_path={run / 'last.ckpt'}", "--trainer.max_epochs=2"]
    assert command(*fit, *more, "--data.loading.batch_size=6") == 3
    assert "data.loading.batch_size (8 then, 6 now)" in capsys.readouterr().err
    assert {name: (run / name).read_bytes() for name in before} == before
    assert command(*fit, "--trainer.max_epochs=1") == 0
    assert "nothing to do" in capsys.readouterr().err
    assert command(*fit, *more) == 0
    assert (run / "done.json").read_bytes() != before["done.json"]


def test_a_stopped_run_with_a_damaged_checkpoint_is_refused_with_the_file_to_take(
    command: Callable[..., int], tiny_yaml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.limit_train_batches=1"]
    words += ["--trainer.limit_val_batches=0", f"--trainer.default_root_dir={tmp_path}"]
    assert command(*words) == 0
    (tmp_path / "done.json").unlink()
    last = tmp_path / "last.ckpt"
    whole = last.read_bytes()
    last.write_bytes(whole[:-100] + bytes(100))
    capsys.readouterr()
    assert command(*words) == 4
    said = capsys.readouterr().err
    assert f"{last}: is damaged: its sha256 is not the one in last.ckpt.sha256; take {tmp_path}/best.ckpt" in said
    last.write_bytes(whole)
    assert command(*words) == 0
    assert f"goes on from {last}, where it stopped" in capsys.readouterr().err
    assert (tmp_path / "done.json").exists()


def test_predict_leaves_the_test_alone(
    chain, command: Callable[..., int], corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more = [
        "--config",
        "stages/evaluation.yaml",
        f"--model.init_from={chain.checkpoint('clep')}",
        "--data.audio.seconds=1.2",
    ]
    more += [f"--data.manifest={corpus}", "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0"]
    assert command("test", *more) == 0
    before = {path.name: path.read_bytes() for path in Path("runs/evaluation").iterdir()}
    assert command("predict", *more) == 0
    assert {path.name: path.read_bytes() for path in Path("runs/evaluation").iterdir()} == before
    assert Path("runs/predict/predictions.parquet").is_file()
    assert command("test", *more, "--data.labels=[anger,sadness]") == 2
    assert {path.name: path.read_bytes() for path in Path("runs/evaluation").iterdir()} == before
