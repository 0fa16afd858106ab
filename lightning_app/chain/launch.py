"""Where the process of a stage runs: on this machine, under torchrun, or as a job of a SLURM cluster."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_app.cli import LIGHTNING_VERBS
from lightning_app.config.plugins import plugin_words
from lightning_app.errors import ConfigError
from lightning_app.runs.files import DONE_JSON, LOG_TXT


class Launcher:
    """Turns a stage's arguments into the command that runs it.

    Args:
        program: What is called with the stage's arguments; by default ``python -P -m lightning_app`` of this
            environment, which searches the current folder for nothing.
    """

    def __init__(self, program: list[str] | None = None) -> None:
        self.program = program or [sys.executable, "-P", "-m", "lightning_app"]

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command line for ``["fit", "--config", ...]``; it trusts what this command trusts."""
        return [*self.program, *arguments, *plugin_words()]


class Local(Launcher):
    """One process on this machine; Lightning itself starts further ranks for ``--trainer.devices``."""


class Torchrun(Launcher):
    """``torchrun`` on this machine, or on each of several that run the same chain.

    Args:
        nproc_per_node: Processes per machine; must equal ``trainer.devices``.
        nnodes: Machines; must equal ``trainer.num_nodes``.
        endpoint: ``host:port`` where several machines meet.
        program: Module words after torchrun's own options.

    Raises:
        ConfigError: For several machines without an endpoint, or numbers below 1.
    """

    def __init__(
        self,
        nproc_per_node: int = 1,
        nnodes: int = 1,
        endpoint: str | None = None,
        program: list[str] | None = None,
    ) -> None:
        super().__init__(program)
        if nproc_per_node < 1 or nnodes < 1:
            raise ConfigError(f"launcher: nproc_per_node {nproc_per_node} and nnodes {nnodes} must be 1 or more")
        if nnodes > 1 and not endpoint:
            raise ConfigError(f"launcher: {nnodes} nodes need `endpoint: host:port`, where they meet")
        self.nproc_per_node, self.nnodes, self.endpoint = nproc_per_node, nnodes, endpoint

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the torchrun line; a verb that is not Lightning's runs as one plain process."""
        if arguments[0] not in LIGHTNING_VERBS:
            return super().command(arguments)
        python, *rest = [word for word in self.program if word != "-P"]  # which torchrun does not hand on
        meet = ["--rdzv-backend=c10d", f"--rdzv-endpoint={self.endpoint}"] if self.endpoint else ["--standalone"]
        sizes = ["--nproc-per-node", str(self.nproc_per_node), "--nnodes", str(self.nnodes)]
        return [python, "-P", "-m", "torch.distributed.run", *sizes, *meet, *rest, *arguments, *plugin_words()]


class Slurm(Launcher):
    """One batch job per stage, each waiting for the stages it starts from.

    A job that is told to stop (``signal_before`` seconds before its time ends) saves ``last.ckpt``, ends with code 143
    and is put back into the queue, where it resumes. Verbs that are not Lightning's run where ``chain`` runs.

    Args:
        partition: Partition; None leaves it to the cluster.
        time: Limit, as ``--time`` takes it.
        gpus: GPUs, and tasks, per node; 0 for one CPU task. Must equal ``trainer.devices``.
        nodes: Nodes; must equal ``trainer.num_nodes``.
        cpus_per_task: CPU cores per task.
        extra: Further ``#SBATCH`` options, as ``--account=speech``.
        signal_before: Seconds between the signal and the end.
        submit: Call ``sbatch``; otherwise the scripts are only written.
        program: What ``srun`` calls.
    """

    def __init__(
        self,
        partition: str | None = None,
        time: str = "24:00:00",
        gpus: int = 1,
        nodes: int = 1,
        cpus_per_task: int = 4,
        extra: list[str] | None = None,
        signal_before: int = 120,
        submit: bool = False,
        program: list[str] | None = None,
    ) -> None:
        super().__init__(program)
        if gpus < 0 or nodes < 1:
            raise ConfigError(f"launcher: gpus {gpus} must be 0 or more and nodes {nodes} 1 or more")
        self.partition, self.time, self.gpus, self.nodes = partition, time, gpus, nodes
        self.cpus_per_task, self.extra, self.signal_before = cpus_per_task, extra or [], signal_before
        self.submit = submit

    def script(self, name: str, arguments: Sequence[str], folder: Path) -> str:
        """Return the batch script of one stage whose run folder is ``folder``."""
        options = [
            f"--job-name={re.sub(r'[^A-Za-z0-9_.=,/+-]', '_', name)}",
            f"--output={folder / LOG_TXT}",
            "--open-mode=append",
            "--requeue",
            f"--signal=SIGUSR1@{self.signal_before}",
            f"--time={self.time}",
            f"--nodes={self.nodes}",
            f"--ntasks-per-node={max(self.gpus, 1)}",
            f"--cpus-per-task={self.cpus_per_task}",
            *([f"--gpus-per-node={self.gpus}"] if self.gpus else []),
            *([f"--partition={self.partition}"] if self.partition else []),
            *self.extra,
        ]
        done = shlex.quote(str(folder / DONE_JSON))
        return "\n".join(
            [
                "#!/bin/bash",
                *(f"#SBATCH {option}" for option in options),
                # One that is put back into the queue goes on by itself from the last.ckpt that it finds.
                f"srun {shlex.join(self.command(arguments))}",
                "code=$?",
                'if [ "$code" -eq 143 ]; then scontrol requeue "$SLURM_JOB_ID"; fi',
                # Some rows were left out and listed: a success, also for the jobs that wait for this one.
                f'if [ "$code" -eq 5 ] && [ -f {done} ]; then code=0; fi',
                f'if [ "$code" -eq 0 ] && [ ! -f {done} ]; then echo "ended without done.json"; code=1; fi',
                'exit "$code"',
                "",
            ]
        )

    def send(self, script: Path, after: Sequence[str]) -> str:
        """Submit a script that waits for the given jobs; return its job number.

        Raises:
            ConfigError: If ``sbatch`` is missing or refuses.
        """
        wait = [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"] if after else []
        answer = _call(["sbatch", "--parsable", *wait, str(script)])
        return answer.split(";")[0].strip()


def is_active(job: str) -> bool:
    """Say whether a job of the cluster is still queued or running; where there is no SLURM, none is.

    Raises:
        ConfigError: If SLURM does not answer: a job that nobody can ask about may be at work.
    """
    if shutil.which("squeue") is None:
        return False
    try:
        return bool(_call(["squeue", "--noheader", f"--jobs={job}", "--format=%T"]).strip())
    except ConfigError as error:
        if "invalid job id" in str(error).lower():  # one that ended long ago
            return False
        raise


def _call(line: list[str]) -> str:
    try:
        answer = subprocess.run(line, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ConfigError(
            f"launcher Slurm: {line[0]} is not on this machine; set `submit: false` to write the scripts only"
        ) from error
    if answer.returncode:
        raise ConfigError(f"{shlex.join(line)}: exit code {answer.returncode}: {answer.stderr.strip()}")
    return answer.stdout
