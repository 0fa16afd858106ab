"""The parser's messages, cut down to what a person needs: place, what was found, what was expected, a remedy."""

import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from lightning_app.config_files import load_yaml, is_file, where
from lightning_app.own_packages import OWN
from lightning_app.trust import IN_PART, asks_only, refusal

NOISE = re.compile(
    r"^\s*(-\s*)?(Given value( type)?:|Subtypes:|Does not validate against any of the Union subtypes|Errors:\s*$"
    r"|Expected a <class 'NoneType'>|Expected a path but |Problem with given class_path )"
)
KEY = re.compile(r'^\s*(?:-\s*)?Parser key "([\w.]+)":', re.MULTILINE)
UNKNOWN = re.compile(r"(?:Option|option|unrecognized arguments:) '?-*([\w.]+)'?")
CLASS = re.compile(r"class_path '([\w.]+)'")
DENIED = re.compile(r"Importing '([\w.]+)' is not allowed")
NO_CLASS = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'|No module named '([\w.]+)'")
SECTIONS = {
    "trainer": "lightning.pytorch.Trainer",
    "checkpoint": "lightning_app.callbacks.checkpoint.StageCheckpoint",
}
TOP = ("config", "data", "model", "trainer", "checkpoint", "seed_everything", "ckpt_path", "weights_only", "verbose")


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
    keys = KEY.findall(message)
    lines = [KEY.sub("", line).strip(" -") for line in message.splitlines() if not NOISE.match(line)]
    text = _plain_types(" ".join(filter(None, lines)), message)
    classes = CLASS.findall(message)
    if "arguments are required: audio" in text and "clap" in keys:
        return (
            "model.clap.audio: no audio tower is named; take one from a checkpoint "
            "(--model.init_from=runs/ser/best.ckpt) or with an encoder (--config configs/encoders/wavlm_ser.yaml)"
        )
    if "arguments are required" in text:
        return "expected a stage's file, such as --config stages/clep.yaml; `lightning-cli --help` has examples"
    if denied := DENIED.search(message):
        return f"{_place(keys, words)}{_joined(keys)}{refusal(denied.group(1), asks_only(words))}"
    if absent := NO_CLASS.search(message):
        text = f"there is no class {classes[-1] if classes else '.'.join(filter(None, absent.groups()))}"
        hint = _near_class(*absent.groups()) or _where_to_look(absent.group(3))
        return f"{_place(keys, words)}{_joined(keys)}{text}{hint}"
    if unknown := UNKNOWN.search(text):
        names = [name for name in unknown.group(1).split(".") if name != "init_args"]
        if keys and keys[-1] == names[0]:
            return f"{'.'.join(keys)}: the file given here has a section {names[0]!r} of its own; pass it with --config"
        *section, name = _known_sections([*keys, *names])
        owner = SECTIONS.get(section[0]) if len(section) == 1 else None
        hint = _did_you_mean(name, classes[-1] if classes else owner, section)
        return f"{_place([*section, name], words)}{_joined(section)}there is no option {name!r}{hint}"
    return f"{_place(keys, words)}{_joined(keys)}{text}" if keys else text


def _plain_types(text: str, message: str) -> str:
    """Say a type as a person would; the value too, where it stands on a line of its own."""
    if "Expected a" not in text:
        return re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"Expected a (?:<class '([\w.]+)'>|typing\.Literal\[(.*?)\])", r"expected \1\2", text)
    text = re.sub(r"\. Got value: (.*)$", r", found '\1'", re.sub(r", (?=')| expected (?=['\w])", " or ", text))
    value = re.findall(r"^\s*Given value: (\S.*)$", message, re.MULTILINE)
    if "expected" in text and "found" not in text and value and not value[-1].startswith(("Namespace(", "NestedArg(")):
        text += f", found {value[-1]!r}"
    return re.sub(r"\s+", " ", text).strip()


def _joined(keys: Sequence[str]) -> str:
    return f"{'.'.join(keys)}: " if keys else ""


def _known_sections(keys: list[str]) -> list[str]:
    """The keys up to the first that is wrong: below a section that does not exist nothing can be right."""
    return keys if keys[0] in TOP else keys[:1]


def _place(keys: Sequence[str], words: Sequence[str]) -> str:
    """``file:line:column: `` of a key in the last file that sets it; empty where an option on the command line does."""
    dotted = ".".join(keys)
    flags_last = sorted(_options(words), key=lambda option: option[0] not in ("config", "c"))
    for name, value in reversed(flags_last):
        prefix = "" if name in ("config", "c") else f"{name}."
        if name == dotted:
            return ""
        if dotted.startswith(prefix) and value.endswith(".yaml") and is_file(Path(value)):
            path = _path_to(dotted.removeprefix(prefix).split("."), Path(value))
            if path:
                return f"{where(Path(value), path)}: "
    return ""


def _options(words: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Every option with its value; ``init_args`` may be left out of keys, and is."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield name.replace(".init_args", ""), value if equals else following


def _path_to(keys: Sequence[str], file: Path) -> list[str]:
    """The keys that lead to a setting in a file, ``init_args`` among them; empty where the file does not set it."""
    tree: object = load_yaml(file)
    path: list[str] = []
    for key in keys:
        if isinstance(tree, dict) and key not in tree and isinstance(tree.get("init_args"), dict):
            path.append("init_args")
            tree = tree["init_args"]
        if not isinstance(tree, dict) or key not in tree:
            return []
        path.append(key)
        tree = tree[key]
    return path


def _did_you_mean(word: str, class_path: str | None, section: Sequence[str]) -> str:
    """The end of a message that offers the nearest option; empty where nothing is known of the options."""
    if class_path is None and section:
        return ""
    known = TOP if class_path is None else _parameters(class_path)
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(known)}"


def _parameters(class_path: str) -> tuple[str, ...]:
    module, _, name = class_path.rpartition(".")
    return tuple(inspect.signature(getattr(import_module(module), name)).parameters)


def _near_class(module: str | None, name: str | None, absent_module: str | None) -> str:
    """The end of a message that offers the nearest class or module; looks into nothing that is not imported already."""
    if absent_module is not None:
        module, _, name = absent_module.rpartition(".")
    parent = sys.modules.get(module or "")
    if parent is None or name is None:
        return ""
    inside = [found.name for found in pkgutil.iter_modules(getattr(parent, "__path__", []))]
    near = get_close_matches(name, [*vars(parent), *inside], n=1)
    return f"; did you mean {module}.{near[0]}?" if near else ""


def _where_to_look(absent_module: str | None) -> str:
    """The end of a message about a module of the user's own that was not found."""
    if absent_module is None or absent_module.partition(".")[0] in (*OWN, *IN_PART):
        return ""
    return (
        f"; the module {absent_module} was not found: install it, name the folder that holds it with --plugins DIR "
        "(a chain's `plugins:`), or put that folder on PYTHONPATH"
    )
