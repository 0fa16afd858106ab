"""Messages of the parser and the trainer, reduced to what a user needs: location, found, expected, remedy."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from datamodules.errors import MissingExtra
from lightning_app.config.command_line import asks_only, said
from lightning_app.config.files import location
from lightning_app.config.hints import TOP, full_name, near_class, near_option
from lightning_app.config.trust import refusal
from lightning_app.errors import ConfigError

NOISE = re.compile(
    r"^\s*(-\s*)?(Given value( type)?:|Subtypes:|Does not validate against any of the Union subtypes|Errors:\s*$"
    r"|Expected a <class 'NoneType'>|Expected a <class 'collections\.abc\.Iterable'>|Expected a path but "
    r"|Problem with given class_path )"
)
KEY = re.compile(r'(?:^\s*(?:-\s*)?|callable class: )Parser key "([\w.]+)":', re.MULTILINE)
CALLABLE = re.compile(r"Type typing\.Callable\[.*?\] expects a function or a callable class:?")
UNKNOWN = re.compile(r"(?:Option|option|unrecognized arguments:) '?-*([\w.]+)'?")
GROUP = re.compile(r"Group '([\w.]+)' does not accept option '([\w.]+)'")
CLASS = re.compile(r"class_path '([\w.]+)'")
DENIED = re.compile(r"Importing '([\w.]+)' is not allowed")
NO_CLASS = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'|No module named '([\w.]+)'")
NO_PATH = re.compile(r"Expected a dot import path string: (\S+)")
OTHER_KIND = re.compile(r"does not correspond to a subclass of (\w+)")
REQUIRED = re.compile(r"arguments are required: ([\w, .]+)")
DIGITS = re.compile(r"Exceeds the limit .* value has (\d+) digits; .*")
MISSING_PACKAGE = re.compile(r"Requirement '([\w.-]+)([^']*)' not met")
VALUE = re.compile(r"^\s*Given value: (?:NestedArg\(.*val='([\w.]+)'\)|(\S.*))$", re.MULTILINE)


def users_mistake(error: BaseException | None) -> BaseException | None:
    """The error, or the one behind it, that carries an exit code: parsers wrap what a constructor raises."""
    while error is not None and not isinstance(getattr(error, "exit_code", None), int):
        error = error.__cause__ or error.__context__
    return error


def short_parse_error(message: str, words: Sequence[str] = ()) -> str:
    r"""Drop the lines that repeat the input or speak of types nobody meant; say where it stands, and what was meant.

    Args:
        message: The parser's.
        words: The command line, whose configuration files are searched for the key.

    >>> short_parse_error("Parser key \"data\":\n  Parser key \"seed\":\n    Expected a <class 'int'>. Got value: x")
    "data.seed: expected int, found 'x'"
    """
    message = message.replace('Parser key "config": ', "")  # which stands for all files at once
    keys, classes = KEY.findall(message), CLASS.findall(message)
    if denied := DENIED.search(message):
        return f"{location(keys, words)}{_joined(keys)}{refusal(denied.group(1), asks_only(words))}"
    if absent := NO_CLASS.search(message):
        named = _named_class(absent, message)
        return f"{location(keys, words)}{_joined(keys)}there is no class {named}{near_class(*absent.groups())}"
    if required := REQUIRED.search(message):
        return _required(required.group(1), keys, classes)
    if kind := OTHER_KIND.search(message):
        found = next((value for value in _values(message)), "the class")
        return f"{location(keys, words)}{_joined(keys)}{found} is no {full_name(kind.group(1))}, nor a subclass of it"
    text = GROUP.sub(r"Option '\1.\2'", _plain_types(message))
    if unknown := UNKNOWN.search(text):
        return _unknown(unknown.group(1), keys, classes, words)
    return f"{location(keys, words)}{_joined(keys)}{text}" if keys else text


def trainer_mistake(message: str) -> str:
    """A message of the trainer in one line, with the option that mends it.

    >>> trainer_mistake("No supported gpu backend found!")
    'trainer.accelerator: this machine has none such; --trainer.accelerator auto takes what is there'
    """
    text = " ".join(message.split())
    if "No supported gpu backend" in text or "can not run on your system" in text:
        return "trainer.accelerator: this machine has none such; --trainer.accelerator auto takes what is there"
    if "But your machine only has" in text:
        return f"trainer.devices: {text}; --trainer.devices auto takes what is there"
    if "No `validation_step()`" in text:
        return "validate: this stage has nothing to validate; `test` evaluates it"
    return text


def missing_package(message: str) -> MissingExtra | None:
    """The error for a class of the trainer, such as a logger, whose package is not installed; None for another message.

    >>> str(missing_package("given class_path 'a.WandbLogger': Requirement 'wandb>=0.12.10' not met. HINT: ..."))
    "a.WandbLogger: the package wandb is not installed: pip install 'wandb>=0.12.10'"
    """
    needed = MISSING_PACKAGE.findall(message)
    if not needed:
        return None
    package, versions = needed[-1]
    classes = CLASS.findall(message)
    owner = classes[-1] if classes else "trainer"
    return MissingExtra(f"{owner}: the package {package} is not installed: pip install '{package}{versions}'")


def _unknown(option: str, keys: list[str], classes: Sequence[str], words: Sequence[str]) -> str:
    names = [name for name in option.split(".") if name != "init_args"]
    way = [*keys, *names]
    # Below a section that does not exist nothing can be right.
    *section, name = way if way[0] in TOP else way[:1]
    hint = near_option(name, section, classes, _said(words))
    return f"{location([*section, name], words)}{_joined(section)}there is no option {name!r}{hint}"


def _required(names: str, keys: Sequence[str], classes: Sequence[str]) -> str:
    if "audio" in names and "clap" in keys:
        return (
            "model.clap.audio: no audio tower is named; take one from a checkpoint "
            "(--model.init_from=runs/ser/best.ckpt) or from a file (--model.clap.audio configs/audio/narrow_cnn14.yaml)"
        )
    if not keys or not classes or keys == ["model"]:
        return "expected a stage's file, such as --config stages/clep.yaml; `lightning-cli --help` has examples"
    first = names.partition(",")[0].strip()
    return f"{_joined(keys)}{classes[-1]} needs {names.strip()}; set --{'.'.join(keys)}.{first}"


def _named_class(absent: re.Match[str], message: str) -> str:
    """The class that was asked for: the parser names the module that it missed, and somewhere the whole."""
    module, name, absent_module = absent.groups()
    missed = absent_module or f"{module}.{name}"
    return max(re.findall(rf"\b{re.escape(missed)}[\w.]*", message), key=len, default=missed)


def _values(message: str) -> list[str]:
    return [nested or value for nested, value in VALUE.findall(message)]


def _plain_types(message: str) -> str:
    """Say a type as a person would; the value too, where it stands on a line of its own."""
    lines = [KEY.sub("", CALLABLE.sub("", line)).strip(" -") for line in message.splitlines() if not NOISE.match(line)]
    if any("Expected a <class" in line for line in lines):
        lines = [line for line in lines if not NO_PATH.match(line)]
    text = DIGITS.sub(r"a whole number of \1 digits", " ".join(dict.fromkeys(filter(None, lines))))
    if path := NO_PATH.search(text):
        return f"there is no class {path.group(1)!r}; write it with its module, as in lightning.pytorch.callbacks.Timer"
    if "Expected a" not in text:
        return re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"Expected a (?:<class '([\w.]+)'>|typing\.Literal\[(.*?)\])", r"expected \1\2", text)
    text = re.sub(r"\. Got value: (.*)$", r", found '\1'", re.sub(r", (?=')| expected (?=['\w])", " or ", text))
    value = [found for found in _values(message) if not found.startswith(("Namespace(", "NestedArg("))]
    if "expected" in text and "found" not in text and value:
        text += f", found {value[0].partition('. Got value')[0]!r}"
    return re.sub(r"\s+", " ", text).strip()


def _joined(keys: Sequence[str]) -> str:
    return f"{'.'.join(keys)}: " if keys else ""


def _said(words: Sequence[str]) -> Mapping[str, Any]:
    try:
        return said(words[1:])
    except ConfigError:  # of which the message is not about
        return {}
