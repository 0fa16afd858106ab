"""Validation of a checkpoint's content, since a file may come from anywhere."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from stages.errors import CheckpointError
from stages.release import RELEASE_KEY, unreadable


def require_content(content: Any, path: Path) -> None:
    """Refuse content that no stage has written.

    Args:
        content: Content of the file.
        path: The file, for the message.

    Raises:
        CheckpointError: If an entry is missing or has a wrong type, or another release wrote it.
    """
    if not isinstance(content, dict) or not {"state_dict", "hyper_parameters"} <= content.keys():
        found = (
            f"the keys {', '.join(map(str, content))[:200]}"
            if isinstance(content, dict)
            else f"a {type(content).__name__}"
        )
        raise CheckpointError(f"{path}: is no checkpoint of a stage; found {found}")
    if complaint := unreadable(content.get(RELEASE_KEY)):
        raise CheckpointError(f"{path}: {complaint}")
    settings = content["hyper_parameters"]
    if not _is_mapping(settings, object):
        raise CheckpointError(
            f"{path}: its hyper_parameters are a {type(settings).__name__}, expected settings by name"
        )
    expected = {
        "state_dict, tensors by name": _is_mapping(content["state_dict"], Tensor),
        "left_out, pretrained files by module": _is_left_out(content.get("left_out", {})),
        "training_speakers, a list": _is_texts(content.get("training_speakers", [])),
        "selection_speakers, a list": _is_texts(content.get("selection_speakers", [])),
        "label_set, as data.labels takes it": _is_label_set(content.get("label_set")),
        "seconds, a number above 0": _is_positive(content.get("seconds")),
        "crop, a name": isinstance(content.get("crop"), str | None),
        "pad, zero or repeat": _is_one_of(content.get("pad"), ("zero", "repeat")),
        "resample_via, a rate": _is_rate(content.get("resample_via")),
        "hyper_parameters.labels and words, two lists of equal length": _has_classes(
            settings.get("labels"), settings.get("words")
        ),
    }
    if wrong := [entry for entry, valid in expected.items() if not valid]:
        raise CheckpointError(f"{path}: is no checkpoint of a stage; expected {wrong[0]}, found something else there")


def require_plain(value: Any, path: Path, name: str) -> None:
    """Refuse a setting of a checkpoint that no configuration could hold.

    Args:
        value: The setting.
        path: The file, for the message.
        name: Name of the setting, likewise.

    Raises:
        CheckpointError: If it is not made of text, numbers, lists and mappings, or nested too deeply.
    """
    try:
        _require_plain(value, path, name)
    except RecursionError as error:
        raise CheckpointError(f"{path}: its setting {name} is nested too deeply to be a configuration") from error


def _require_plain(value: Any, path: Path, name: str) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _require_plain(item, path, name)
    elif _is_mapping(value, object):
        named, args = value.get("class_path", ""), value.get("init_args")
        if not isinstance(named, str) or not isinstance(args, Mapping | None):
            raise CheckpointError(f"{path}: its setting {name[:100]} names a class as no configuration does")
        for key, item in value.items():
            _require_plain(item, path, f"{name}.{key}")
    elif not isinstance(value, str | int | float | None):
        raise CheckpointError(f"{path}: its setting {name[:100]} is a {type(value).__name__}, and no configuration")


def _is_mapping(value: Any, kind: type) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(item, kind) for key, item in value.items()
    )


def _is_left_out(value: Any) -> bool:
    return _is_mapping(value, Mapping) and all(
        isinstance(record.get("source"), str)
        and isinstance(record.get("revision"), str | None)
        and isinstance(record.get("sha256"), str)
        and _is_texts(record.get("tensors"))
        for record in value.values()
    )


def _has_classes(labels: Any, words: Any) -> bool:
    return labels is None or (_is_texts(labels) and _is_texts(words) and len(labels) == len(words))


def _is_positive(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and 0 < value < math.inf)


def _is_one_of(value: Any, names: Sequence[str]) -> bool:
    return value is None or (isinstance(value, str) and value in names)


def _is_rate(value: Any) -> bool:
    return value is None or (isinstance(value, int) and value > 0)


def _is_label_set(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None or isinstance(value, str) or _is_texts(value)
    merge = value.get("merge")
    named = value.keys() == {"name", "labels", "merge"} and isinstance(value["name"], str)
    return named and _is_texts(value["labels"]) and _is_mapping(merge, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
