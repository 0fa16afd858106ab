"""What a checkpoint keeps and leaves out, what it hands on, and every way in which it may not."""

import math
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models.pretrained import Pretrained
from stages.checkpoint import Checkpoint, CheckpointContent
from stages.checkpoint_validation import require_content
from stages.errors import CheckpointError
from stages.left_out import leave_out_pretrained
from stages.release import release

HERE = Path("somewhere.ckpt")
FILE = Pretrained("hub/tower", "c0ffee", "1" * 64)
OTHER = Pretrained("hub/tower", "decaf", "2" * 64)


class Tower(nn.Module):
    """A module whose weights are from elsewhere."""

    def __init__(self, pretrained: Pretrained | None = FILE) -> None:
        super().__init__()
        self.layer, self.norm, self.pretrained = nn.Linear(3, 3), nn.BatchNorm1d(3), pretrained
        self.requires_grad_(False)


class Part(nn.Module):
    def __init__(self, pretrained: Pretrained | None = FILE) -> None:
        super().__init__()
        self.tower, self.head, self.norm = Tower(pretrained), nn.Linear(3, 2), nn.BatchNorm1d(2)


class Whole(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.clap = part


def content(part: nn.Module, changed: tuple[str, ...] = ()) -> CheckpointContent:
    whole = Whole(part)
    weights = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    kept, left_out = leave_out_pretrained(whole, weights, changed)
    return {
        "state_dict": kept,
        "hyper_parameters": {"_class_path": "stages.clap.ClapTraining", "labels": ["a"], "words": ["a"]},
        "emoclap": release(),
        "left_out": left_out,
    }


def saved(part: nn.Module, changed: tuple[str, ...] = ()) -> Checkpoint:
    return Checkpoint(content(part, changed), HERE)


def kept_of_tower(part: nn.Module, changed: tuple[str, ...] = ()) -> list[str]:
    return [name.removeprefix("clap.") for name in content(part, changed)["state_dict"] if ".tower." in name]


def test_loads_every_tensor_of_the_part_and_names_them() -> None:
    source, target = Part(None), Part(None)
    for tensor in source.state_dict().values():
        tensor.copy_(torch.full_like(tensor, 3))
    checkpoint = saved(source)
    checkpoint.content["state_dict"]["prompt.context"] = torch.zeros(2)
    assert checkpoint.load("clap", target) == set(source.state_dict())
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name]), name


def test_loads_a_part_of_a_part() -> None:
    source, target = Part(), nn.Linear(3, 2)
    assert saved(source).load("clap.head", target) == {"weight", "bias"}
    assert torch.equal(source.head.weight, target.weight)
    assert saved(source).load("clap.tower", Tower()) == set()


def test_a_part_that_is_not_there_lists_those_that_are() -> None:
    checkpoint = saved(Part())
    checkpoint.content["state_dict"]["prompt.context"] = torch.zeros(2)
    with pytest.raises(
        CheckpointError,
        match=r"somewhere\.ckpt: has no part 'classifier' \(stages\.clap\.ClapTraining wrote it, with the parts "
        r"clap, prompt\)",
    ) as caught:
        checkpoint.load("classifier", Part())
    assert caught.value.exit_code == 4
    with pytest.raises(CheckpointError, match="has no part 'cla'"):
        checkpoint.load("cla", Part())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("clap.head.bias"), "missing head.bias"),
        (lambda w: w.pop("clap.norm.running_mean"), "missing norm.running_mean"),
        (lambda w: w.update({"clap.tail.bias": torch.zeros(1)}), "unexpected tail.bias"),
        (lambda w: w.update({"clap.tower.extra": torch.zeros(3)}), "unexpected tower.extra"),
        (lambda w: w.update({"clap.head.bias": torch.zeros(5)}), r"head.bias is \(5,\), expected \(2,\)"),
    ],
)
def test_names_and_shapes_are_strict_and_nothing_is_loaded(change: Any, message: str) -> None:
    checkpoint, target = saved(Part()), Part()
    change(checkpoint.content["state_dict"])
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=rf"part 'clap' does not fit this model: {message}; leave model.init_args.clap"
    ):
        checkpoint.load("clap", target)
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_what_is_left_out_must_be_from_the_same_file() -> None:
    source = Part()
    assert saved(source).load("clap", Part()) == {name for name in source.state_dict() if "tower" not in name}
    with pytest.raises(CheckpointError) as caught:
        saved(source).load("clap", Part(OTHER))
    said = str(caught.value)
    assert "was trained on another 'tower'" in said
    assert "111111111111 (hub/tower at c0ffee)" in said
    assert "that of hub/tower at decaf is 222222222222; pin the revision" in said
    for stranger in (Part(None), nn.Linear(3, 2)):
        with pytest.raises(CheckpointError, match="leaves out the weights of 'tower', which are those of hub/tower"):
            saved(source).load("clap", stranger)


def test_a_tensor_that_only_the_receiver_has_is_missing_inside_a_pretrained_module_too() -> None:
    target = Part()
    target.tower.adapter = nn.Linear(3, 1)
    with pytest.raises(CheckpointError, match=r"missing tower\.adapter\.bias, tower\.adapter\.weight"):
        saved(Part()).load("clap", target)


def test_frozen_tensors_of_a_file_are_left_out_and_what_trains_or_changed_is_kept() -> None:
    part = Part()
    assert kept_of_tower(part) == []
    assert kept_of_tower(Part(None)) == [f"tower.{name}" for name in Tower().state_dict()]
    record = content(part)["left_out"]["clap.tower"]
    assert (record["source"], record["revision"], record["sha256"]) == ("hub/tower", "c0ffee", "1" * 64)
    assert record["tensors"] == list(part.tower.state_dict())


def test_the_buffers_of_a_tower_that_trains_or_has_trained_are_kept_with_it() -> None:
    expected = [
        "tower.layer.bias", "tower.norm.running_mean", "tower.norm.running_var", "tower.norm.num_batches_tracked",
    ]  # fmt: skip
    part = Part()
    assert kept_of_tower(part, ("clap.tower.layer.bias",)) == expected
    part.tower.layer.bias.requires_grad_(True)
    assert kept_of_tower(part) == expected
    other = Part()
    assert "tower.layer.bias" in saved(part).load("clap", other)
    assert torch.equal(other.tower.layer.bias, part.tower.layer.bias)


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save(content(Part()), path)
    first = Checkpoint.open(path)
    assert Checkpoint.open(path).content is first.content
    torch.save({**content(Part()), "epoch": 1}, tmp_path / "b.ckpt")
    os.replace(tmp_path / "b.ckpt", path)
    assert Checkpoint.open(path).content["epoch"] == 1  # type: ignore[typeddict-item]
    assert first.load("clap", Part())


class Mischief:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


def test_damaged_and_foreign_files_are_refused(chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sound = chain.checkpoint("classifier").read_bytes()
    assert Checkpoint.open(chain.checkpoint("classifier")).stage == "stages.classifier.TextClassifier"
    path = tmp_path / "bad.ckpt"
    torch.save({"state_dict": Mischief(), "hyper_parameters": {}}, tmp_path / "mischief.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    torch.save({"state_dict": {}, 3: 4}, tmp_path / "weights.pt")
    for damaged, message in (
        (b"", "damaged or no checkpoint"),
        (b"audio, not weights", "damaged or no checkpoint"),
        (sound[: len(sound) // 2], "damaged or no checkpoint"),
        (sound[:-1], "damaged or no checkpoint"),
        (pickle.dumps(Mischief()), "damaged or no checkpoint"),
        ((tmp_path / "mischief.pt").read_bytes(), "holds code"),
        ((tmp_path / "tensor.pt").read_bytes(), "is no checkpoint of a stage; found a Tensor"),
        ((tmp_path / "weights.pt").read_bytes(), "is no checkpoint of a stage; found the keys state_dict, 3"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=message) as caught:
            Checkpoint.open(path)
        assert "bad.ckpt" in str(caught.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 0.0, -1, "3"])
def test_a_length_that_no_clip_has_is_refused(tmp_path: Path, seconds: Any) -> None:
    require_content({"state_dict": {}, "hyper_parameters": {}, "emoclap": release(), "seconds": 1.5}, tmp_path)
    with pytest.raises(CheckpointError, match="expected seconds, a number above 0"):
        require_content({"state_dict": {}, "hyper_parameters": {}, "emoclap": release(), "seconds": seconds}, tmp_path)


def test_one_flipped_bit_anywhere_in_the_weights_is_found(chain, command, corpus, tmp_path, capsys) -> None:
    sound = chain.checkpoint("clep").read_bytes()
    (tmp_path / "best.ckpt.sha256").write_text((chain.root / "clep" / "best.ckpt.sha256").read_text())
    for place in (len(sound) // 3, len(sound) // 2):
        flipped = bytearray(sound)
        flipped[place] ^= 16
        (tmp_path / "best.ckpt").write_bytes(flipped)
        code = command(
            "test", "--config", "stages/evaluation.yaml", f"--model.init_from={tmp_path / 'best.ckpt'}",
            f"--data.manifest={corpus}", "--data.loading.num_workers=0",
            f"--trainer.default_root_dir={tmp_path / 'out'}",
        )  # fmt: skip
        assert code == 4
        assert "is damaged: its sha256" in capsys.readouterr().err
    assert not (tmp_path / "out" / "predictions.parquet").exists()


def test_a_missing_checkpoint_names_those_beside_it(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"best\.ckpt: no such checkpoint; there is .*last\.ckpt"):
        Checkpoint.open(tmp_path / "best.ckpt")
    with pytest.raises(CheckpointError, match=r"no such checkpoint$"):
        Checkpoint.open(tmp_path / "nowhere" / "best.ckpt")


def test_a_trained_text_tower_is_kept_and_comes_back(tiny_yaml: Path, tiny_bert: Path, command, tmp_path: Path) -> None:
    from transformers import BertModel

    clep, acpt = tmp_path / "clep", tmp_path / "acpt"
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=1",
        "--model.clap.freeze_text=false", f"--trainer.default_root_dir={clep}",
    )  # fmt: skip
    assert code == 0
    trained = Checkpoint.open(clep / "best.ckpt").content
    name = "clap.text.model.encoder.layer.0.attention.self.query.weight"
    source = BertModel.from_pretrained(tiny_bert).state_dict()["encoder.layer.0.attention.self.query.weight"]
    assert trained["left_out"] == {}
    assert not torch.equal(trained["state_dict"][name], source)

    code = command(
        "fit", "--config", "stages/acpt.yaml", f"--model.init_from={clep / 'best.ckpt'}", "--trainer.max_epochs=1",
        f"--trainer.default_root_dir={acpt}",
    )  # fmt: skip
    assert code == 0
    after = Checkpoint.open(acpt / "best.ckpt").content
    kept = [name for name in after["state_dict"] if name.startswith("clap.text.")]
    assert after["left_out"] == {}
    assert len(kept) > 30
    for name in kept:
        assert torch.equal(after["state_dict"][name], trained["state_dict"][name]), name
