"""``lightning-cli chain``: all stages of a chain file, each in a process of its own; what is done is not done again."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from lightning_app.chain.file import Chain, Setting, read_chain
from lightning_app.chain.launch import Launcher, Local, Slurm
from lightning_app.chain.matrix import Run, expand_matrix
from lightning_app.chain.plan import needed, plan, require_inputs, table
from lightning_app.chain.process import run_process
from lightning_app.chain.reading import ChildReader, Reader, read_runs
from lightning_app.chain.run import Runner, log
from lightning_app.chain.submit import submit
from lightning_app.config.files import find_config
from lightning_app.config.plugins import plugins
from lightning_app.config.yaml_file import parse_value, where
from lightning_app.errors import ConfigError, StageError
from lightning_app.runs.files import CHAIN_LOCK, RESULTS_CSV
from lightning_app.runs.lock import locked
from lightning_app.runs.results import collect_results

__all__ = ["add_arguments", "run"]

LAUNCHERS = ("Local", "Torchrun", "Slurm")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of ``lightning-cli chain``."""
    parser.add_argument("--config", type=str, required=True, help="the chain file: configs/chains/demo.yaml")
    parser.add_argument("--until", type=str | None, default=None, help="run this stage and what it needs, no further")
    parser.add_argument("--from", type=str | None, default=None, help="run this stage and what needs it once more")
    parser.add_argument("--force", action="store_true", help="run every stage, even if it is done")
    parser.add_argument("--dry-run", action="store_true", help="print what would run, and why; do nothing")
    parser.add_argument(
        "--set", action="append", type=str, help="STAGE.KEY=VALUE over the chain file; * for every stage; repeatable"
    )
    parser.add_argument(
        "--launcher", type=Launcher | None, default=None, help="where stages run: Local, Torchrun or Slurm"
    )


def run(config: Namespace, launcher: Launcher | None = None, reader: Reader | None = None) -> int:
    """Run a chain and return its exit code: 0, or 5 if a stage left rows out.

    Args:
        config: The parsed options.
        launcher: Wins over the option and the chain file.
        reader: Asks the parser what it makes of commands; a process of its own by default.

    Raises:
        ConfigError: If the chain file, a configuration or an option is wrong, or another chain runs in the folder.
        RefusedRun: If the command of a stage is wrong, or reads a file that is not there and that no stage makes.
        StageError: If a stage does not succeed; its ``exit_code`` is the stage's.
    """
    chain = read_chain(find_config(config["config"]))
    with plugins(chain.plugins, chain.trust):
        overrides = _overrides(config["set"], chain)
        with ChildReader() as child:
            runs = needed(expand_matrix(chain, overrides, reader or child), config["until"])
            runs = read_runs(runs, reader or child)
        return _run(chain, runs, config, launcher or _launcher(config, chain))


def _run(chain: Chain, runs: list[Run], config: Namespace, launcher: Launcher) -> int:
    rerun = {"start": config["from"], "force": config["force"]}
    if config["dry_run"]:
        steps = plan(runs, **rerun)
        print(table(steps))
        require_inputs(runs, steps)
        return 0
    chain.runs.mkdir(parents=True, exist_ok=True)
    with locked(chain.runs / CHAIN_LOCK, "another chain runs here") as lock:
        steps = plan(runs, **rerun)
        require_inputs(runs, steps)
        if isinstance(launcher, Slurm):
            if submit(chain.name, steps, launcher, (lock,)):
                log("when the jobs have ended, the same command gathers their results")
                return 0
            code = 0
        else:
            code = Runner(launcher, (lock,)).run(steps)
        _finish(chain, [step.run for step in steps], launcher, report=config["until"] is None)
    return code


def _overrides(texts: list[str] | None, chain: Chain) -> dict[Setting, object]:
    overrides: dict[Setting, object] = {}
    for text in texts or []:
        name, _, value = text.partition("=")
        stage, _, key = name.partition(".")
        if "=" not in text or not key:
            raise ConfigError(f"--set {text}: expected STAGE.KEY=VALUE, such as clep.trainer.max_epochs=3")
        if stage != "*" and stage not in chain.stages:
            raise ConfigError(
                f"--set {text}: there is no stage {stage!r}; expected * or one of: {', '.join(chain.stages)}"
            )
        overrides[stage, key] = parse_value(value)
    return overrides


def _launcher(config: Namespace, chain: Chain) -> Launcher:
    """Build the launcher of the command line, else of the chain file, else this machine."""
    if config["launcher"] is not None:
        parser = ArgumentParser(exit_on_error=False)
        add_arguments(parser)
        built: Launcher = parser.instantiate(config)["launcher"]
        return built
    if chain.launcher is None:
        return Local()
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--launcher", type=Launcher)
    kind = str(chain.launcher.get("class_path")).removeprefix(f"{Launcher.__module__}.")
    if kind not in LAUNCHERS:  # before the parser, which would import whatever is named here
        raise ConfigError(
            f"{where(chain.path, ['launcher', 'class_path'])}: unknown launcher {kind!r}; "
            f"expected one of: {', '.join(LAUNCHERS)}"
        )
    try:
        made: Launcher = parser.instantiate(parser.parse_object({"launcher": chain.launcher}))["launcher"]
    except Exception as error:
        raise ConfigError(f"{where(chain.path, ['launcher'])}: {error}") from error
    return made


def _finish(chain: Chain, runs: list[Run], launcher: Launcher, report: bool) -> None:
    target = chain.runs / RESULTS_CSV
    rows = collect_results({run.folder: run.cell for run in runs if run.stage.verb == "test"}, target)
    if rows:
        log(f"{rows} results in {target}")
    if chain.report is None or not report:
        return
    options = [f"--{key}={value}" for key, value in chain.report.items()]
    program = Local(launcher.program)
    command = program.command(["report", "--runs", str(chain.runs), *options])
    code = run_process(command, Path(chain.runs) / "report.log")
    if code:
        raise StageError(f"the report failed with code {code}; see {chain.runs / 'report.log'}", max(code, 1))
