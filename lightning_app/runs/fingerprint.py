"""What decides a stage's result, computed from its command line: its settings and the content of its input files."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from datamodules.files import sha256 as hash_of_file
from lightning_app.cli import LIGHTNING_VERBS
from lightning_app.config.files import is_file
from lightning_app.config.secrets import masked
from lightning_app.errors import ConfigError
from stages.init_from import source_files
from stages.release import RELEASE_KEY, release

# Where a run is kept, how it is watched and how fast it reads: none of it changes what it computes.
_WITHOUT_EFFECT = re.compile(
    r"plugins$|trust$|no-cache$|overwrite$|weights_only$|verbose$|return_predictions$|checkpoint\.dirpath$"
    r"|trainer\.(default_root_dir|logger|enable_progress_bar|enable_model_summary)(\.|$)"
    r"|(.+\.)?(num_workers|persistent_workers|pin_memory|prefetch_factor)$"
)


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
        begun_with = source_files(self.settings.get("model.init_from")) if resumes else []
        gone = any(str(path) in self.inputs and str(path) not in now.inputs for path in begun_with)
        # What it began with said some settings, which only its own checkpoint says now.
        keys = self.settings.keys() & now.settings.keys() if gone else self.settings.keys() | now.settings.keys()
        differ = sorted(key for key in keys if self.settings.get(key) != now.settings.get(key))
        if differ or (self.config != now.config and not gone):
            named = f" ({', '.join(differ[:4])}{', ...' if differ[4:] else ''})" if differ else ""
            return [f"configuration changed{named}"]
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


def fingerprint(words: Sequence[str]) -> Fingerprint:
    """Compute the fingerprint of a command line of ours, from the verb on: ``["fit", "--config", "stages/acpt.yaml"]``.

    Compute it when the command starts: an input may change while it runs. That of a stage needs torch and the parser.

    Raises:
        ConfigError: If the command is wrong.
    """
    if not words:
        raise ConfigError("expected a verb such as `fit`, found an empty command line")
    verb, *rest = words
    if verb in LIGHTNING_VERBS:
        from lightning_app.config.parser import read_command

        return command_fingerprint(verb, read_command(words).settings)
    return _fingerprint(verb, {str(place): word for place, word in enumerate(rest)}, _command_inputs(rest))


def command_fingerprint(verb: str, settings: Mapping[str, Any]) -> Fingerprint:
    """Compute the fingerprint of a stage's command from its settings; imports no torch.

    Args:
        verb: Such as ``fit``.
        settings: The parser's, with every default, under dotted keys.
    """
    effective = {key: value for key, value in settings.items() if not _WITHOUT_EFFECT.match(key)}
    if verb == "fit":
        # Resuming changes where a run begins and not where it ends; a tested checkpoint is what is tested.
        effective.pop("ckpt_path", None)
    return _fingerprint(verb, effective, named_inputs(effective))


def _fingerprint(verb: str, settings: dict[str, Any], inputs: dict[str, str]) -> Fingerprint:
    # A release may compute the same settings otherwise.
    settings |= {"verb": verb, RELEASE_KEY: release()}
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return Fingerprint(hashlib.sha256(canonical.encode()).hexdigest(), inputs, masked(settings))


def named_inputs(settings: Mapping[str, Any]) -> dict[str, str]:
    """Hash the files that settings name, as they are at this moment."""
    named = [*_texts(settings), *map(str, source_files(settings.get("model.init_from")))]
    return {text: sha256(Path(text)) for text in named if _names_file(text)}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content; a file that has not changed is read once per process."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    return hash_of_file(path)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
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
