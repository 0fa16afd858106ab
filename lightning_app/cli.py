"""The command line: our own verbs without torch, Lightning's verbs with it, every mistake as one message."""

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module

from lightning_app.config.own_packages import current_folder_unsearched
from lightning_app.errors import ExitCode

NO_CACHE = "--no-cache"
LONGEST = 4000  # characters of a message: a value that is quoted may be of any length
VERBS = {
    "prepare": ("lightning_app.commands.prepare", "Turn a corpus, or a table of your recordings, into a manifest."),
    "caption": ("lightning_app.commands.caption", "Write the captions and tags of a stage's data as a table."),
    "chain": ("lightning_app.commands.chain", "Run several stages, each from the checkpoint of the one before."),
    "report": ("lightning_app.commands.report", "Make one HTML page of a chain's results."),
}
LIGHTNING_VERBS = {
    "fit": "Train a stage.",
    "validate": "Validate a stage on its dev split.",
    "test": "Evaluate on the test split.",
    "predict": "Predict for the test split.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``lightning-cli`` and return its exit code.

    0 done; 1 an error of ours; 2 usage or configuration; 3 data; 4 model, weights or a missing extra; 5 done, but some
    rows were left out; 130 interrupted; 141 nobody reads what is printed; 143 preempted after a checkpoint was saved.

    Args:
        argv: The words after the command's name; those of the process by default.
    """
    try:
        try:
            with current_folder_unsearched():
                return _main(list(sys.argv[1:] if argv is None else argv), whole_process=argv is None)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # As `head` leaves it; what is still to be flushed at the very end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.CLOSED_PIPE


def _main(arguments: list[str], whole_process: bool) -> int:
    if NO_CACHE in arguments:
        # For this process and for those it starts; no setting of a run, for it changes no result.
        os.environ["EMOCLAP_CACHE"] = "off"
        arguments = [word for word in arguments if word != NO_CACHE]
    verb = arguments[0] if arguments else "--help"
    if verb in ("-h", "--help"):
        print(_help())
        return 0
    if verb == "--version":
        from lightning_app import __version__

        print(f"emoclap {__version__}")
        return 0
    if verb not in VERBS and verb not in LIGHTNING_VERBS:
        from difflib import get_close_matches

        near = get_close_matches(verb, [*VERBS, *LIGHTNING_VERBS], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return _fail(
            "lightning-cli", f"no verb {verb!r}; expected {', '.join([*LIGHTNING_VERBS, *VERBS])}{hint}", ExitCode.USAGE
        )
    try:
        from datamodules import stop_signals
        from lightning_app.config.plugins import plugin_options
        from lightning_app.releases import require_sound_releases

        require_sound_releases()
        with plugin_options(arguments[1:]) as words:
            if verb in VERBS:
                return _run_own(verb, words)
            # Before torch is imported, which takes its time.
            with stop_signals.noted(for_good=whole_process):
                from lightning_app.commands.stage import run_stage

                return run_stage([verb, *words])
    except KeyboardInterrupt:
        return _fail(f"lightning-cli {verb}", "interrupted", ExitCode.INTERRUPTED)
    except SystemExit as ended:
        # Lightning ends an interrupted run with the exit code of an error.
        if isinstance(ended.__context__, KeyboardInterrupt):
            return _fail(f"lightning-cli {verb}", "interrupted", ExitCode.INTERRUPTED)
        raise
    except Exception as error:
        from lightning_app.config.messages import users_mistake
        from lightning_app.runs.storage import as_mistake

        mistake = users_mistake(error) or as_mistake(error)
        if mistake is None or os.environ.get("EMOCLAP_DEBUG"):
            raise
        return _fail(f"lightning-cli {verb}", _message(mistake), mistake.exit_code)  # type: ignore[attr-defined]


def _run_own(verb: str, arguments: list[str]) -> int:
    from jsonargparse import ArgumentParser

    module = import_module(VERBS[verb][0])
    parser = ArgumentParser(prog=f"lightning-cli {verb}", description=VERBS[verb][1])
    module.add_arguments(parser)
    as_options = getattr(module, "as_options", list)  # a verb that takes dotted settings, as Lightning's do
    return int(module.run(parser.parse_args(as_options(arguments))) or 0)


def _help() -> str:
    width = max(map(len, [*VERBS, *LIGHTNING_VERBS]))
    own = "\n".join(f"  {verb:{width}}  {text}" for verb, (_, text) in VERBS.items())
    lightning = "\n".join(f"  {verb:{width}}  {text}" for verb, text in LIGHTNING_VERBS.items())
    return f"""\
usage: lightning-cli VERB [options]

Contrastive language-audio models for speech emotion: stages that hand checkpoints forward.

From recordings to a report:
{own}

One stage:
{lightning}

examples:
  lightning-cli chain --config configs/chains/demo.yaml
  lightning-cli prepare emodb PATH --out data/emodb/manifest.csv
  lightning-cli fit --config stages/clep.yaml --config configs/data/emodb.yaml
  lightning-cli caption --config stages/clep.yaml --out captions.csv
  lightning-cli fit --config stages/acpt.yaml --model.prompt.length 16

`lightning-cli VERB --help` lists a verb's options. For every verb: `--plugins DIR` finds modules of your own in DIR,
too, and trusts them, and `--trust PACKAGE` trusts one that is installed (also EMOCLAP_PLUGINS and EMOCLAP_TRUST);
`--no-cache` keeps no features of frozen encoders, in the folder EMOCLAP_CACHE (by default ~/.cache/emoclap).
`--overwrite` lets fit, test and predict replace a run of other settings, which no run folder gives up unasked.
EMOCLAP_DEBUG=1 shows the traceback of an error."""


def _message(error: BaseException) -> str:
    """The error's own words, also when a loader process hands on its traceback around them."""
    text = str(error)
    if "Original Traceback" in text:
        text = re.split(r"\n[\w.]*Error: ", text)[-1].rstrip()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _fail(program: str, message: str, code: int) -> int:
    print(f"{program}: error: {message}", file=sys.stderr)
    return code
