"""Submitting a plan to SLURM: a batch script per stage, each job after those it depends on."""

from collections.abc import Sequence
from pathlib import Path

from lightning_app.chain.launch import Local, Slurm, is_active
from lightning_app.chain.plan import PlannedRun
from lightning_app.chain.run import Runner, log, prepare_folder
from lightning_app.runs.files import JOB_JSON, read_json, write_json


def submit(name: str, steps: Sequence[PlannedRun], slurm: Slurm, keep_open: Sequence[int]) -> bool:
    """Submit, or write, a job for every step that is not done; return whether any job is still to end.

    A stage whose job is still queued or running is not submitted again.

    Raises:
        ConfigError: If ``sbatch`` is missing or refuses.
        StageError: If a stage that runs here does not succeed.
    """
    here = Runner(Local(slurm.program), keep_open)
    jobs: dict[Path, str] = {}
    waiting = False
    for step in steps:
        if step.state == "done":
            continue
        run = step.run
        if not run.stage.lightning:
            here.run([step])
            continue
        waiting = True
        job = (read_json(run.folder / JOB_JSON) or {}).get("job")
        if slurm.submit and job and is_active(job):
            log(f"{run.title}: job {job} is not over yet")
            jobs[run.folder] = job
            continue
        fingerprint = run.fingerprint()
        prepare_folder(step, fingerprint, slurm)
        script = run.folder / "job.sbatch"
        script.write_text(slurm.script(f"{name}/{run.title}", run.arguments, run.folder), encoding="utf-8")
        if slurm.submit:
            jobs[run.folder] = slurm.send(script, [jobs[folder] for folder in run.depends_on if folder in jobs])
            write_json(run.folder / JOB_JSON, {"job": jobs[run.folder]})
            log(f"{run.title}: job {jobs[run.folder]}")
        else:
            log(f"{run.title}: {script}")
    return waiting
