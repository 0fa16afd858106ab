import json
from pathlib import Path

import pytest
from jsonargparse import Namespace

from lightning_app.config.secrets import is_secret, masked, masked_words
from lightning_app.runs.fingerprint import command_fingerprint

SECRET = "hush-4711"


@pytest.mark.parametrize("key", ["token", "a.hf_token", "A_TOKEN", "x.api_key", "apikey", "password", "client-secret"])
def test_secrets(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", ["tokens", "tokenizer", "key", "sort_key", "prompt.token.length", "max_tokens", "keys"])
def test_no_secrets(key: str) -> None:
    assert not is_secret(key)


def test_namespaces_lists_and_mappings() -> None:
    tree = Namespace(a=[Namespace(api_key=SECRET, n=1)], b={"token": SECRET, "c": None}, password="")
    copy = masked(tree)
    assert SECRET not in str(copy)
    assert (copy.a[0].n, copy.b["c"], copy.password) == (1, None, "")
    assert tree.a[0].api_key == SECRET
    assert isinstance(copy, Namespace)


@pytest.mark.parametrize(
    "value",
    [
        '{"class_path":"a.Logger","init_args":{"api_key":"hush-4711"}}',
        "{class_path: a.Logger, init_args: {api_key: hush-4711}}",
        '[{"class_path":"a.Logger","init_args":{"url":"s3://ann:hush-4711@host/x","hf_token":4711}}]',
        "https://ann:hush-4711@host:80/x",
        "https://:hush-4711@host",
    ],
)
def test_a_secret_inside_a_value(value: str) -> None:
    for words in ([f"--trainer.logger+={value}"], ["--trainer.logger+", value]):
        written = masked_words(["fit", *words])
        assert "4711" not in str(written)
        assert "***" in written[-1]
    if value.startswith("https"):
        assert "4711" not in str(masked({"a": [value]}))


@pytest.mark.parametrize(
    "value", ['{"a":1,  "b": [2]}', "{a: 1", "[1,2]", "a: b: c", "https://host:80/x@y", "{n} @", ""]
)
def test_a_value_without_a_secret_stays_as_it_was_typed(value: str) -> None:
    assert masked_words(["fit", f"--x={value}", "--y", value]) == ["fit", f"--x={value}", "--y", value]


def test_numbers_are_secrets_too() -> None:
    assert masked({"password": 4711, "token": None, "secret": False, "n": 1}) == {
        "password": "***", "token": None, "secret": False, "n": 1,
    }  # fmt: skip


def test_two_secrets_are_two_fingerprints() -> None:
    one, two = (command_fingerprint("fit", {"trainer.logger.token": token, "model.token": token}) for token in "ab")
    assert one.config != two.config
    assert one.settings["model.token"] == "***"


LOGGER = """
from lightning.pytorch.loggers.logger import DummyLogger
class Secretive(DummyLogger):
    def __init__(self, api_key: str) -> None:
        super().__init__()
        assert api_key == "hush-4711"
"""


def test_no_file_of_a_run_folder_holds_one(
    command, tiny_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secretive.py").write_text(LOGGER)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "run"
    logger = {"class_path": "secretive.Secretive", "init_args": {"api_key": SECRET}}
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.limit_train_batches=1",
        "--trainer.limit_val_batches=0", f"--trainer.logger+={json.dumps(logger)}",
        f"--trainer.default_root_dir={folder}",
    )  # fmt: skip
    assert code == 0
    for path in folder.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path
    assert "api_key: '***'" in (folder / "config.yaml").read_text()
