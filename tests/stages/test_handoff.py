"""What a checkpoint hands on, and every way in which it may not."""

import math
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stages.checkpoint_content import require_content
from stages.handoff import (
    CheckpointError,
    digest,
    load_part,
    read_checkpoint,
    rebuilt_towers,
    source_digests,
    stage_of,
)

HERE = Path("somewhere.ckpt")


class Tower(nn.Linear):
    """A module that says where its weights are from."""

    source = "hub/tower"

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        super().__init__(3, 3)


class Part(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.tower, self.head, self.norm = Tower(seed), nn.Linear(3, 2), nn.BatchNorm1d(2)


def checkpoint(part: Part, rebuilt: bool = True) -> dict[str, Any]:
    weights = {f"clap.{name}": tensor.clone() for name, tensor in part.state_dict().items()}
    if rebuilt:
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("clap.tower.")}
    return {
        "state_dict": weights,
        "hyper_parameters": {"_class_path": "stages.clap.ClapTraining"},
        "rebuilt": {"clap.tower": digest(part.tower)} if rebuilt else {},
    }


def test_loads_every_tensor_of_the_part_and_counts_them() -> None:
    source, target = Part(), Part()
    for tensor in source.state_dict().values():
        tensor.copy_(torch.full_like(tensor, 3))
    saved = checkpoint(source, rebuilt=False)
    saved["state_dict"]["prompt.context"] = torch.zeros(2)
    assert load_part(saved, "clap", target, HERE) == len(source.state_dict()) == 9
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name]), name


def test_a_part_that_is_not_there_lists_those_that_are() -> None:
    saved = checkpoint(Part())
    saved["state_dict"]["prompt.context"] = torch.zeros(2)
    with pytest.raises(
        CheckpointError,
        match=r"somewhere\.ckpt: has no part 'classifier' \(stages\.clap\.ClapTraining wrote it, with the parts "
        r"clap, prompt\)",
    ) as caught:
        load_part(saved, "classifier", Part(), HERE)
    assert caught.value.exit_code == 4
    with pytest.raises(CheckpointError, match="has no part 'cla'"):
        load_part(saved, "cla", Part(), HERE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("clap.head.bias"), "missing head.bias"),
        (lambda w: w.pop("clap.norm.running_mean"), "missing norm.running_mean"),
        (lambda w: w.update({"clap.tail.bias": torch.zeros(1)}), "unexpected tail.bias"),
        (lambda w: w.update({"clap.tower.bias": torch.zeros(3)}), "unexpected tower.bias"),
        (lambda w: w.update({"clap.head.bias": torch.zeros(5)}), r"head.bias is \(5,\), expected \(2,\)"),
    ],
)
def test_names_and_shapes_are_strict_and_nothing_is_loaded(change: Any, message: str) -> None:
    saved, target = checkpoint(Part()), Part()
    change(saved["state_dict"])
    before = digest(target)
    with pytest.raises(
        CheckpointError, match=rf"part 'clap' does not fit this model: {message}; leave model.init_args.clap"
    ):
        load_part(saved, "clap", target, HERE)
    assert digest(target) == before


def test_a_rebuilt_tower_must_be_the_same() -> None:
    source, other = Part(seed=0), Part(seed=1)
    assert load_part(checkpoint(source), "clap", Part(seed=0), HERE) == 7
    with pytest.raises(CheckpointError) as caught:
        load_part(checkpoint(source), "clap", other, HERE)
    said = str(caught.value)
    assert digest(source.tower)[:12] in said
    assert digest(other.tower)[:12] in said
    assert "another 'tower'" in said
    assert "hub/tower" in said
    towerless = nn.Linear(3, 2)
    with pytest.raises(CheckpointError, match="leaves out the tower 'tower', which this model does not have"):
        load_part(checkpoint(source), "clap", towerless, HERE)


def test_a_digest_changes_with_any_tensor_and_any_name() -> None:
    part = Part()
    first, seen = digest(part), set()
    for tensor in part.state_dict().values():
        before = tensor.clone()
        tensor.view(-1)[-1] += 1
        seen.add(digest(part))
        tensor.copy_(before)
    assert len(seen | {first}) == 10
    assert digest(part) == first
    assert digest(nn.ModuleDict({"one": part.head})) != digest(nn.ModuleDict({"two": part.head}))
    assert digest(Part()) == first
    assert digest(Part().bfloat16()) != first


def test_a_tower_is_left_out_only_while_it_is_frozen_and_unchanged() -> None:
    part = Part()
    known = source_digests(part)
    assert list(known) == ["tower"]
    assert rebuilt_towers(part, known) == {}
    part.tower.requires_grad_(False)
    assert rebuilt_towers(part, known) == known
    part.tower.weight[0, 0] += 1
    assert rebuilt_towers(part, known) == {}


class Mischief:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


def test_damaged_and_foreign_files_are_refused(chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sound = chain.checkpoint("classifier").read_bytes()
    assert stage_of(read_checkpoint(chain.checkpoint("classifier"))) == "stages.classifier.TextClassifier"
    path = tmp_path / "bad.ckpt"
    torch.save({"state_dict": Mischief(), "hyper_parameters": {}}, tmp_path / "mischief.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    torch.save({"state_dict": {}, 3: 4}, tmp_path / "weights.pt")
    for content, message in (
        (b"", "damaged or no checkpoint"),
        (b"audio, not weights", "damaged or no checkpoint"),
        (sound[: len(sound) // 2], "damaged or no checkpoint"),
        (sound[:-1], "damaged or no checkpoint"),
        (pickle.dumps(Mischief()), "damaged or no checkpoint"),
        ((tmp_path / "mischief.pt").read_bytes(), "holds code"),
        ((tmp_path / "tensor.pt").read_bytes(), "is no checkpoint of a stage; found a Tensor"),
        ((tmp_path / "weights.pt").read_bytes(), "is no checkpoint of a stage; found the keys state_dict, 3"),
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=message) as caught:
            read_checkpoint(path)
        assert "bad.ckpt" in str(caught.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 0.0, -1, "3"])
def test_a_length_that_no_clip_has_is_refused(tmp_path: Path, seconds: Any) -> None:
    require_content({"state_dict": {}, "hyper_parameters": {}, "seconds": 1.5}, tmp_path)
    with pytest.raises(CheckpointError, match="expected seconds, a number above 0"):
        require_content({"state_dict": {}, "hyper_parameters": {}, "seconds": seconds}, tmp_path)


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
        read_checkpoint(tmp_path / "best.ckpt")
    with pytest.raises(CheckpointError, match=r"no such checkpoint$"):
        read_checkpoint(tmp_path / "nowhere" / "best.ckpt")


def test_a_trained_text_tower_is_kept_and_comes_back(tiny_yaml: Path, tiny_bert: Path, command, tmp_path: Path) -> None:
    from transformers import BertModel

    clep, acpt = tmp_path / "clep", tmp_path / "acpt"
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=1",
        "--model.clap.freeze_text=false", f"--trainer.default_root_dir={clep}",
    )  # fmt: skip
    assert code == 0
    trained = read_checkpoint(clep / "best.ckpt")
    name = "clap.text.model.encoder.layer.0.attention.self.query.weight"
    source = BertModel.from_pretrained(tiny_bert).state_dict()["encoder.layer.0.attention.self.query.weight"]
    assert trained["rebuilt"] == {}
    assert not torch.equal(trained["state_dict"][name], source)

    code = command(
        "fit", "--config", "stages/acpt.yaml", f"--model.init_from={clep / 'best.ckpt'}", "--trainer.max_epochs=1",
        f"--trainer.default_root_dir={acpt}",
    )  # fmt: skip
    assert code == 0
    after = read_checkpoint(acpt / "best.ckpt")
    kept = [name for name in after["state_dict"] if name.startswith("clap.text.")]
    assert after["rebuilt"] == {}
    assert len(kept) > 30
    for name in kept:
        assert torch.equal(after["state_dict"][name], trained["state_dict"][name]), name
