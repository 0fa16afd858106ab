"""YAML read strictly: what other readers pass over in silence is refused with its line and column."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lightning_app.errors import ConfigError

MAX_NODES, MAX_DEPTH, MAX_DIGITS = 100_000, 100, 100
TOO_DEEP = f"nested more than {MAX_DEPTH} deep"
# What YAML can write and no setting is: bytes, dates, sets.
_ODD_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("binary", "timestamp", "set", "omap", "pairs")}


def load_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping.

    Keys are always text, so that ``yes``, ``no`` and ``1`` may be labels. ``1e-3`` is a number.

    Raises:
        ConfigError: Missing or empty file, not UTF-8, a syntax error or a tab, a duplicate key, an unknown tag, a whole
            number of more than ``MAX_DIGITS`` digits, or values that are nested, or by their aliases grow, beyond
            ``MAX_DEPTH`` and ``MAX_NODES``; with ``file:line:column``.
    """
    value = load_any(path)
    if not isinstance(value, dict):
        raise ConfigError(f"{path}:1:1: expected `key: value` lines, found a {type(value).__name__}")
    return value


def load_any(path: Path) -> Any:
    """Read one YAML document of any type; raises as ``load_yaml`` does."""
    return _parse(_read(path), str(path), lambda loader: loader.get_single_data())


def parse_value(text: str) -> Any:
    """Read a value as it stands on a command line: ``3``, ``1e-3``, ``[1, 2]``, ``null``, or plain text."""
    try:
        return _parse(text, "value", lambda loader: loader.get_single_data())
    except ConfigError:
        return text


def where(path: Path, keys: Sequence[str]) -> str:
    """Return ``file:line:column`` of the key that ``keys`` leads to, or of its nearest parent that is in the file."""
    node = _parse(_read(path), str(path), lambda loader: loader.get_single_node())
    line, column = 0, 0
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((k, v) for k, v in pairs if k.value == key), None)
        if found is None:
            break
        line, column, node = found[0].start_mark.line, found[0].start_mark.column, found[1]
    return f"{path}:{line + 1}:{column + 1}"


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path}:1:1: the file is UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise ConfigError(
            f"{path}:{line}:{column}: byte {raw[error.start]:#04x} is not UTF-8; save as UTF-8"
        ) from error
    if not text.strip():
        raise ConfigError(f"{path}:1:1: the file is empty")
    return text


def _parse(text: str, name: str, read: Any) -> Any:
    try:
        loader = _Loader(text)
        loader.name = name
        return read(loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        problem = error.problem or error.context or "not YAML"
        if "'\\t'" in problem:
            problem = "a tab; indent with spaces"
        raise ConfigError(f"{place}: {problem}") from error
    except RecursionError as error:
        raise ConfigError(f"{name}: {TOO_DEEP}") from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        # What the reader meets where a tag promises one thing and the value is another.
        raise ConfigError(f"{name}: cannot be read as YAML: {error}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with text keys, numbers as in YAML 1.2, no dates, and no duplicate keys."""

    def get_single_data(self) -> Any:
        node = self.get_single_node()
        if node is None:
            return None
        if _check(node, {}, set()).nodes > MAX_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"aliases grow to more than {MAX_NODES} values", problem_mark=node.start_mark
            )
        return self.construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}


class _Size(NamedTuple):
    """How many values a node has once its aliases are written out, and how deeply they are nested."""

    nodes: int
    depth: int


def _check(node: yaml.Node, sizes: dict[int, _Size], open_nodes: set[int]) -> _Size:
    """Refuse what no configuration holds below a node: duplicate keys, loops, odd tags, endless numbers and nesting."""
    if id(node) in open_nodes:
        raise yaml.MarkedYAMLError(problem="an alias that contains itself", problem_mark=node.start_mark)
    if id(node) not in sizes:
        open_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicates(node)
        elif isinstance(node, yaml.ScalarNode):
            _refuse_odd(node)
        inside = [_check(child, sizes, open_nodes) for child in _children(node)]
        size = _Size(1 + sum(each.nodes for each in inside), 1 + max((each.depth for each in inside), default=0))
        if size.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=TOO_DEEP, problem_mark=node.start_mark)
        if node.tag in _ODD_TAGS:
            raise yaml.MarkedYAMLError(problem=f"!!{node.tag[18:]} is no setting", problem_mark=node.start_mark)
        sizes[id(node)] = size
        open_nodes.remove(id(node))
    return sizes[id(node)]


def _refuse_odd(node: yaml.ScalarNode) -> None:
    problem = ""
    if node.tag == "tag:yaml.org,2002:int" and len(node.value) > MAX_DIGITS:
        problem = f"a whole number of {len(node.value)} digits"
    elif any("\ud800" <= letter <= "\udfff" for letter in node.value):
        problem = "half of a character (a surrogate)"
    if problem:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refuse_duplicates(node: yaml.MappingNode) -> None:
    first: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be plain text", problem_mark=key.start_mark)
        if key.value in first:
            problem = f"duplicate key {key.value!r} (first at line {first[key.value]})"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        first[key.value] = key.start_mark.line + 1


_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"}
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in rules if tag not in _NUMBERS]
    for letter, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9]\d*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"(?:[-+]?(?:\.\d+|\d+\.\d*|\d+(?=[eE]))(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
    list("-+0123456789."),
)
