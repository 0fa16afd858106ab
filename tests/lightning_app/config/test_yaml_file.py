import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_app.config.yaml_file import load_yaml, parse_value, where
from lightning_app.errors import ConfigError


def _write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a: 1\nb: 2\na: 3\n", r"a\.yaml:3:1: duplicate key 'a' \(first at line 1\)"),
        ("m:\n  x: 1\n  x: 2\n", r"a\.yaml:3:3: duplicate key 'x' \(first at line 2\)"),
        ("a:\n\tb: 1\n", r"a\.yaml:2:1: a tab; indent with spaces"),
        ("a: [1, 2\nb: 3\n", r"a\.yaml:2:\d+: "),
        ("", r"a\.yaml:1:1: the file is empty"),
        ("  \n", r"a\.yaml:1:1: the file is empty"),
        ("- 1\n- 2\n", r"a\.yaml:1:1: expected `key: value` lines, found a list"),
        ("a: 1".encode("utf-16"), r"a\.yaml:1:1: the file is UTF-16; save it as UTF-8"),
        (b"a: 1\nb: \xff\n", r"a\.yaml:2:4: byte 0xff is not UTF-8"),
        ("a: !!python/object/apply:os.system [ls]\n", r"a\.yaml:1:4: could not determine a constructor"),
        ("[1]: 2\n", r"a\.yaml:1:1: a key must be plain text"),
        ("a: &x [*x]\n", r"a\.yaml:1:4: an alias that contains itself"),
        ("a: 1\n---\nb: 2\n", r"a\.yaml:2:1: "),
        (f"a: {'[' * 5000}", r"a\.yaml: nested more than 100 deep"),
        (f"a: {'[' * 150}{']' * 150}", r"a\.yaml:1:\d+: nested more than 100 deep"),
        ("\n".join([f"a{n}: &a{n} [*a{n - 1}]" if n else "a0: &a0 [1]" for n in range(150)]), r"more than 100 deep"),
        (f"a: {'9' * 5000}\n", r"a\.yaml:1:4: a whole number of 5000 digits"),
        ("a: !!binary aGVsbG8=\n", r"a\.yaml:1:4: !!binary is no setting"),
        ("a: !!timestamp 2020-01-01\n", r"a\.yaml:1:4: !!timestamp is no setting"),
        ("a: !!set {x, y}\n", r"a\.yaml:1:4: !!set is no setting"),
        ("a: !!int many\n", r"a\.yaml: cannot be read as YAML"),
        ("a: !!bool maybe\n", r"a\.yaml: cannot be read as YAML"),
        ("a: !!map [1]\n", r"a\.yaml: cannot be read as YAML"),
        ('a: "\\ud800"\n', r"a\.yaml:1:4: half of a character"),
        ("a: *nobody\n", r"a\.yaml:1:4: found undefined alias"),
    ],
)
def test_refuses_with_the_place(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_yaml(_write(tmp_path, content))
    assert caught.value.exit_code == 2


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_yaml(tmp_path / "none.yaml")


def test_aliases_that_explode_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match="aliases grow to more than 100000 values"):
        load_yaml(_write(tmp_path, "\n".join(lines)))


def test_ordinary_aliases_and_merges_work(tmp_path: Path) -> None:
    path = _write(tmp_path, "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n")
    assert load_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}


def test_keys_are_text(tmp_path: Path) -> None:
    assert load_yaml(_write(tmp_path, "yes: 1\nno: 2\n1: 3\n2.0: 4\n")) == {"yes": 1, "no": 2, "1": 3, "2.0": 4}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("2.0e-3", 0.002),
        (".5", 0.5),
        ("1.", 1.0),
        ("-3", -3),
        ("0777", "0777"),
        ("08", "08"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("e5", "e5"),
        ("null", None),
        ("true", True),
        ("[1, 2e0]", [1, 2.0]),
        ("{a: 1}", {"a": 1}),
        ("a: [", "a: ["),
        ("", None),
        (".inf", math.inf),
    ],
)
def test_values(text: str, value: object) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives(number: float) -> None:
    assert parse_value(repr(number)) == number


@given(st.integers())
def test_every_integer_survives(number: int) -> None:
    assert parse_value(repr(number)) == number


def test_where(tmp_path: Path) -> None:
    path = _write(tmp_path, "a:\n  b:\n    c: 1\n")
    assert where(path, ["a", "b", "c"]) == f"{path}:3:5"
    assert where(path, ["a", "nothing"]) == f"{path}:1:1"


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert load_yaml(_write(tmp_path, b"\xef\xbb\xbfa: 1\n")) == {"a": 1}
