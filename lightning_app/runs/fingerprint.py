"""What decides a stage's result, computed from its command line: its settings and the content of its input files."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from datamodules.files import sha256 as hash_of_file
from lightning_app.cli import LIGHTNING_VERBS
from lightning_app.config.class_source import arguments
from lightning_app.config.defaults import with_defaults
from lightning_app.config.files import ConfigError, compose, flatten, is_file, options, parse_value
from lightning_app.config.secrets import masked
from stages.init_from import source_files
from stages.release import RELEASE_KEY, release

# Where a run is kept, how it is watched and how fast it reads: none of it changes what it computes.
_WITHOUT_EFFECT = re.compile(
    r"weights_only$|print_config$|plugins$|trust$|no-cache$|overwrite$"
    r"|trainer\.(default_root_dir|logger|enable_progress_bar|enable_model_summary)(\.|$)"
    r"|(.+\.)?(num_workers|persistent_workers|pin_memory|prefetch_factor)$"
)
# A class in short form, also of a known module without it: `AdamW`. A caption's text is none.
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Fingerprint:
    """Two runs with equal fingerprints compute the same.

    Args:
        config: SHA-256 of the settings.
        inputs: SHA-256 of every file that a setting names, under the path as it is written there.
        settings: The settings and the defaults under dotted keys, and emoclap's release, so that a change can be named.
    """

    config: str
    inputs: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)

    def changes(self, now: "Fingerprint", resumes: bool = False) -> list[str]:
        """Say what differs between this fingerprint of an earlier run and the present one; empty if nothing does.

        A file that is named now but did not exist then was made by the run or after it, and is no change.

        Args:
            now: The present one.
            resumes: Whether the run goes on from its own checkpoint: what it began with may then be gone.
        """
        if self.settings.get(RELEASE_KEY) != now.settings.get(RELEASE_KEY):
            then = self.settings.get(RELEASE_KEY, "an earlier one")
            return [f"emoclap was {then} and is {now.settings.get(RELEASE_KEY, 'an earlier one')}"]
        keys = sorted(k for k in self.settings | now.settings if self.settings.get(k) != now.settings.get(k))
        if self.config != now.config:
            return [
                "configuration changed" + (f" ({', '.join(keys[:4])}{', ...' if keys[4:] else ''})" if keys else "")
            ]
        begun_with = source_files(self.settings.get("model.init_from")) if resumes else []
        return [
            f"input {path} {'changed' if path in now.inputs else 'is gone'}"
            for path, digest in self.inputs.items()
            if now.inputs.get(path) != digest and not (Path(path) in begun_with and path not in now.inputs)
        ]


def read_fingerprint(content: Any) -> Fingerprint:
    """Return a fingerprint that was kept as JSON.

    Raises:
        TypeError: If it is none.
    """
    mark = Fingerprint(**content)
    if not (isinstance(mark.config, str) and isinstance(mark.inputs, dict) and isinstance(mark.settings, dict)):
        raise TypeError("the fingerprint is damaged")
    return mark


def fingerprint(argv: Sequence[str]) -> Fingerprint:
    """Compute the fingerprint of a command line of ours, from the verb on: ``["fit", "--config", "stages/acpt.yaml"]``.

    Compute it when the command starts: an input may change while it runs.

    Raises:
        ConfigError: If a configuration file is missing or wrong.
    """
    if not argv:
        raise ConfigError("expected a verb such as `fit`, found an empty command line")
    if argv[0] in LIGHTNING_VERBS:
        settings = with_defaults(command_settings(argv[1:]))
        settings = {key: value for key, value in settings.items() if not _WITHOUT_EFFECT.match(key)}
        if argv[0] == "fit":
            # Resuming changes where a run begins and not where it ends; a tested checkpoint is what is tested.
            settings.pop("ckpt_path", None)
        named = [*_texts(settings), *map(str, source_files(settings.get("model.init_from")))]
        inputs = {text: sha256(Path(text)) for text in named if _names_file(text)}
    else:
        settings = {str(place): word for place, word in enumerate(argv[1:])}
        inputs = _command_inputs(argv[1:])
    # A release may compute the same settings otherwise.
    settings |= {"verb": argv[0], RELEASE_KEY: release()}
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return Fingerprint(hashlib.sha256(canonical.encode()).hexdigest(), inputs, masked(settings))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content; a file that has not changed is read once per process."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    return hash_of_file(path)


def command_settings(words: Sequence[str]) -> dict[str, Any]:
    """Return what a command line says, its files and its flags, under dotted keys without ``init_args``.

    Args:
        words: The words behind the verb.

    Raises:
        ConfigError: If a configuration file is missing or wrong.
    """
    tree, flags = compose(words)
    settings = flatten(tree)
    overrides: dict[str, Any] = {}
    for key, text, given in options(flags):
        overrides.update(_override(key, text if len(given) > 1 or "=" in given[0] else "true", overrides))
    for key, value in overrides.items():
        _apply(settings, key, value)
    return settings


def _override(key: str, text: str, earlier: dict[str, Any]) -> dict[str, Any]:
    value = parse_value(text)
    name = ".".join(part for part in key.split(".") if part != "init_args")
    if name.endswith("+"):
        more = value if isinstance(value, list) else [value]
        return {name: [*earlier.get(name, []), *more]}
    section, _, last = name.rpartition(".")
    return flatten({last: value}, section)


def _apply(settings: dict[str, Any], key: str, value: Any) -> None:
    if key.endswith("+"):
        old = settings.get(key[:-1])
        settings[key[:-1]] = [*(old if isinstance(old, list) else []), *value]
    elif f"{key}.class_path" in settings and isinstance(value, str) and _CLASS.fullmatch(value):
        # The short form of a class in the place of another.
        settings[f"{key}.class_path"] = value
        _drop_arguments(settings, key, value)
    else:
        settings[key] = value


def _drop_arguments(settings: dict[str, Any], section: str, class_path: str) -> None:
    """Take away what a class in another's place does not take; the parser keeps the rest, and so do we."""
    taken = arguments(class_path)
    if taken is None or taken.open:
        return
    for key in [key for key in settings if key.startswith(f"{section}.")]:
        if key.removeprefix(f"{section}.").partition(".")[0] not in (*taken.names, "class_path"):
            del settings[key]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _names_file(text: str) -> bool:
    looks_like_path = "\n" not in text and "\0" not in text and len(text) < 1024 and ("/" in text or "." in text)
    return looks_like_path and is_file(Path(text))


def _command_inputs(words: Sequence[str]) -> dict[str, str]:
    """Digest the files and folders that a command reads; what its ``--out`` names is written, not read."""
    inputs: dict[str, str] = {}
    written: list[Path] = []
    read: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        key, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if key.startswith("--out") or before.startswith("--out"):
            written.append(Path(value).absolute())
        elif (equals or not key) and value:
            read.append(value)
    for text in read:
        if _names_file(text):
            inputs[text] = sha256(Path(text))
        elif ("/" in text or "." in text) and Path(text).is_dir():
            inputs[text] = _listing(Path(text).absolute(), written)
    return inputs


def _listing(folder: Path, leave_out: Sequence[Path]) -> str:
    """Digest the names, sizes and times of a folder's files: its recordings are too many to read each time."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file not in leave_out:
            stat = file.stat()
            digest.update(f"{file.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()
