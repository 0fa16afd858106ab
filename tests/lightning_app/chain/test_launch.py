import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser

from lightning_app.chain.launch import Local, Slurm, Torchrun
from lightning_app.chain.reading import Answer, Question
from lightning_app.commands.chain import add_arguments
from lightning_app.commands.chain import run as run_chain
from lightning_app.config.command_line import said
from lightning_app.errors import ConfigError

FIT = ["fit", "--config", "stages/acpt.yaml"]


def test_local() -> None:
    assert Local().command(FIT) == [sys.executable, "-P", "-m", "lightning_app", *FIT]


def test_torchrun() -> None:
    line = Torchrun(nproc_per_node=2).command(FIT)
    sizes = ["--nproc-per-node", "2", "--nnodes", "1", "--standalone"]
    assert line == [sys.executable, "-P", "-m", "torch.distributed.run", *sizes, "-m", "lightning_app", *FIT]
    assert Torchrun(nproc_per_node=2).command(["prepare", "demo"])[1:4] == ["-P", "-m", "lightning_app"]
    assert "--rdzv-endpoint=n1:29500" in Torchrun(nnodes=2, endpoint="n1:29500").command(FIT)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: Torchrun(nnodes=2), "2 nodes need `endpoint: host:port`"),
        (lambda: Torchrun(nproc_per_node=0), "nproc_per_node 0"),
        (lambda: Slurm(gpus=-1), "gpus -1"),
    ],
)
def test_mistakes(build: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build()


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a SLURM that only notes what it is told, and a chain of two stages."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    note = 'echo "$(basename "$0") $*" >> calls.txt\n'
    _executable(
        tmp_path / "bin/sbatch",
        f'#!/bin/bash\n{note}n=$(cat n 2>/dev/null || echo 100)\necho $((n + 1)) > n\necho "$((n + 1));cluster"\n',
    )
    _executable(tmp_path / "bin/squeue", f"#!/bin/bash\n{note}cat queue 2>/dev/null || true\n")
    _executable(tmp_path / "bin/scontrol", f"#!/bin/bash\n{note}")
    _executable(
        tmp_path / "bin/srun", f'#!/bin/bash\n{note}[ -f done ] && touch runs/clep/done.json\nexit "$(cat code)"\n'
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "a.yaml").write_text("model: {class_path: stages.a.A}\n")
    (tmp_path / "chain.yaml").write_text(
        "runs: runs\n"
        "launcher: {class_path: lightning_app.chain.launch.Slurm, init_args: {partition: gpu, gpus: 2, submit: true,"
        " extra: [--account=speech]}}\n"
        "stages: {clep: {config: a.yaml}, acpt: {config: a.yaml, from: clep}}\n"
    )
    return tmp_path


def _as_said(questions: Sequence[Question]) -> list[Answer]:
    return [Answer(settings=said(question.words[1:])) for question in questions]


def _chain(*words: str) -> int:
    """Run the chain, whose stages are of no class that there is."""
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    return run_chain(parser.parse_args(["--config", "chain.yaml", *words]), reader=_as_said)


def test_jobs_wait_for_each_other(cluster: Path) -> None:
    assert _chain() == 0
    assert (cluster / "calls.txt").read_text().splitlines() == [
        "sbatch --parsable runs/clep/job.sbatch",
        "sbatch --parsable --dependency=afterok:101 --kill-on-invalid-dep=yes runs/acpt/job.sbatch",
    ]
    script = (cluster / "runs/clep/job.sbatch").read_text()
    for line in ("--partition=gpu", "--gpus-per-node=2", "--ntasks-per-node=2", "--account=speech", "--requeue"):
        assert f"#SBATCH {line}\n" in script
    assert json.loads((cluster / "runs/acpt/job.json").read_text()) == {"job": "102"}


def test_queued_jobs_are_not_submitted_again(cluster: Path) -> None:
    _chain()
    (cluster / "calls.txt").unlink()
    (cluster / "queue").write_text("RUNNING\n")
    _chain()
    assert [line.split()[0] for line in (cluster / "calls.txt").read_text().splitlines()] == ["squeue", "squeue"]
    (cluster / "queue").unlink()
    _chain()
    assert (cluster / "calls.txt").read_text().count("sbatch") == 4


def test_a_folder_whose_job_is_not_over_is_left_alone(cluster: Path) -> None:
    _chain("--until", "clep")
    (cluster / "queue").write_text("PENDING\n")
    before = (cluster / "runs/clep/started.json").read_bytes()
    for launcher in (["--launcher", "Local"], ["--launcher", "Slurm", "--launcher.submit", "false"]):
        with pytest.raises(ConfigError, match=r"runs/clep: job 101 of this stage is queued or running.*scancel 101"):
            _chain("--until", "clep", *launcher)
    assert (cluster / "runs/clep/started.json").read_bytes() == before


def test_a_cluster_that_does_not_answer_is_asked_again(cluster: Path) -> None:
    _chain("--until", "clep")
    squeue = cluster / "bin/squeue"
    _executable(squeue, "#!/bin/bash\necho 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1\n")
    _chain("--until", "clep")
    assert json.loads((cluster / "runs/clep/job.json").read_text()) == {"job": "102"}
    _executable(squeue, "#!/bin/bash\necho 'Unable to contact slurm controller' >&2; exit 1\n")
    with pytest.raises(ConfigError, match="Unable to contact slurm controller"):
        _chain("--until", "clep")
    assert json.loads((cluster / "runs/clep/job.json").read_text()) == {"job": "102"}


@pytest.mark.parametrize(
    ("code", "done", "expected", "requeued"),
    [
        (0, True, 0, False),
        (0, False, 1, False),
        (3, False, 3, False),
        (5, True, 0, False),
        (5, False, 5, False),
        (143, False, 143, True),
    ],
)
def test_the_script_ends_as_its_stage(cluster: Path, code: int, done: bool, expected: int, requeued: bool) -> None:
    _chain("--until", "clep")
    (cluster / "calls.txt").unlink()
    (cluster / "code").write_text(str(code))
    if done:
        (cluster / "done").touch()
    script = subprocess.run(["bash", "runs/clep/job.sbatch"], env={**os.environ, "SLURM_JOB_ID": "101"}, check=False)
    assert script.returncode == expected
    assert ("scontrol requeue 101" in (cluster / "calls.txt").read_text()) is requeued


def test_a_requeued_job_runs_the_same_command(cluster: Path) -> None:
    _chain("--until", "clep")
    (cluster / "code").write_text("0")
    (cluster / "runs/clep/last.ckpt").touch()
    (cluster / "calls.txt").unlink()
    for count in ("0", "1"):
        env = {**os.environ, "SLURM_JOB_ID": "101", "SLURM_RESTART_COUNT": count}
        subprocess.run(["bash", "runs/clep/job.sbatch"], env=env, check=False)
    first, second = (cluster / "calls.txt").read_text().splitlines()
    assert second == first  # the command goes on by itself from the last.ckpt that it finds


def test_scripts_only(cluster: Path) -> None:
    text = (cluster / "chain.yaml").read_text().replace("submit: true", "submit: false")
    (cluster / "chain.yaml").write_text(text)
    assert _chain() == 0
    assert not (cluster / "calls.txt").exists()
    assert (cluster / "runs/acpt/job.sbatch").exists()


def test_no_cluster_here(cluster: Path) -> None:
    (cluster / "bin/sbatch").unlink()
    with pytest.raises(ConfigError, match="sbatch is not on this machine; set `submit: false`"):
        _chain()


@pytest.mark.parametrize(
    ("launcher", "complaint"),
    [
        (
            "{class_path: lightning_app.chain.launch.Slrm}",
            r"chain\.yaml:2:12: unknown launcher 'Slrm'; expected one of: Local",
        ),
        ("{class_path: Slurm, init_args: {gpu: 2}}", r"chain\.yaml:2:1: (.|\n)*'gpu'"),
        ("{class_path: os.system}", r"chain\.yaml:2:12: unknown launcher 'os\.system'"),
        ("Slurm", r"chain\.yaml:2:1: expected `key: value` lines, found 'Slurm'"),
    ],
)
def test_launcher_mistakes(cluster: Path, launcher: str, complaint: str) -> None:
    (cluster / "chain.yaml").write_text(f"runs: runs\nlauncher: {launcher}\nstages: {{a: {{config: a.yaml}}}}\n")
    with pytest.raises(ConfigError, match=complaint):
        _chain()


def test_the_command_lines_launcher_wins(cluster: Path) -> None:
    _chain("--launcher", "Slurm", "--launcher.partition", "cpu", "--launcher.gpus", "0")
    assert "#SBATCH --partition=cpu\n" in (cluster / "runs/clep/job.sbatch").read_text()
    assert not (cluster / "calls.txt").exists()
