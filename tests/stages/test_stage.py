"""What a stage starts from, and what its checkpoints keep."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn
from torch.utils.data import DataLoader

from models.pretrained import Pretrained, from_pretrained
from stages.checkpoint import Checkpoint
from stages.errors import CheckpointError
from stages.release import release
from stages.stage import Stage


class Ears(nn.Module):
    def __init__(self, fill: float) -> None:
        super().__init__()
        self.audio, self.text = nn.Linear(2, 2), nn.Linear(2, 2)
        for parameter in self.parameters():
            nn.init.constant_(parameter, fill)


class Hearing(Stage):
    """A stage with a part inside a part, one of its own, and an optional one."""

    parts = ("clap", "head", "local")

    def __init__(self, fill: float = 0.0, init_from: Any = None) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.clap, self.head, self.init_from = Ears(fill), nn.Linear(2, 1), init_from
        self.local: nn.Module | None = None

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        return self.head(self.clap.text(batch)).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Ser(Stage):
    parts = ("audio", "head")
    required_parts = ("audio",)

    def __init__(self, fill: float = 0.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.audio, self.head = Ears(fill).audio, nn.Linear(2, 1)


def trainer(folder: Path, **more: Any) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return Trainer(default_root_dir=folder, enable_checkpointing=False, **{"max_epochs": 1, **quiet, **more})


def trained(stage: Stage, path: Path, **more: Any) -> Path:
    """Train a stage for a step, and save it."""
    used = trainer(path.parent, **more)
    used.fit(stage, DataLoader(torch.ones(4, 2), 4))
    used.save_checkpoint(path)
    return path


def saved(stage: Stage, path: Path) -> Path:
    used = trainer(path.parent)
    used.strategy.connect(stage)
    used.save_checkpoint(path)
    return path


def fills(stage: Hearing) -> tuple[float, float]:
    return float(stage.clap.audio.weight[0, 0]), float(stage.clap.text.weight[0, 0])


@pytest.fixture
def clap(tmp_path: Path) -> Path:
    return saved(Hearing(1.0), tmp_path / "clap.ckpt")


@pytest.fixture
def ser(tmp_path: Path) -> Path:
    return saved(Ser(2.0), tmp_path / "ser.ckpt")


def test_a_path_alone_hands_over_every_part_that_both_have(clap: Path) -> None:
    for init_from in (clap, str(clap)):
        stage = Hearing(0.0, init_from)
        stage.setup("fit")
        assert fills(stage) == (1.0, 1.0)
        assert torch.equal(stage.head.weight, Checkpoint.open(clap).content["state_dict"]["head.weight"])


def test_a_mapping_hands_over_its_targets_and_nothing_else(clap: Path, ser: Path) -> None:
    stage = Hearing(0.0, {"clap.audio": f"{ser}:audio", "clap.text": f"{clap}:clap.audio"})
    before = stage.head.weight.clone()
    stage.setup("fit")
    assert fills(stage) == (2.0, 1.0)
    assert torch.equal(stage.head.weight, before)


def test_a_source_without_a_part_has_it_under_the_targets_own_name(clap: Path, ser: Path) -> None:
    for path, expected in ((clap, 1.0), (ser, 2.0)):
        stage = Hearing(0.0, {"clap.audio": str(path)})
        stage.setup("fit")
        assert fills(stage) == (expected, 0.0)


@pytest.mark.parametrize(
    ("init_from", "message"),
    [
        ("{ser}", r"ser\.ckpt: has no part 'clap' \(.*wrote it, with the parts audio, head\)"),
        ({"clap.audio": "{ser}:ears"}, "has no part 'ears'"),
        ({"claap.audio": "{ser}"}, "this stage has no part 'claap.audio'; expected one of clap, head"),
        ({"head": "{clap}"}, "names no source for clap, which this stage cannot train itself; add clap: PATH"),
        ({"local": "{clap}"}, "this stage has no part 'local'"),
    ],
)
def test_what_cannot_be_handed_over(init_from: Any, message: str, clap: Path, ser: Path) -> None:
    paths = {"clap": clap, "ser": ser}
    if isinstance(init_from, str):
        given: Any = init_from.format(**paths)
    else:
        given = {target: text.format(**paths) for target, text in init_from.items()}
    with pytest.raises(CheckpointError, match=message):
        Hearing(0.0, given).setup("fit")


def test_a_test_after_training_is_of_what_was_trained(clap: Path, tmp_path: Path) -> None:
    stage = Hearing(0.0, clap)
    trained(stage, tmp_path / "after.ckpt")
    after = stage.head.weight.clone()
    stage.setup("test")
    assert torch.equal(stage.head.weight, after)


def test_a_stage_that_is_resumed_asks_for_no_earlier_checkpoint(tmp_path: Path) -> None:
    stage = Hearing(3.0, tmp_path / "gone.ckpt")
    stage.resumed_from = tmp_path / "own.ckpt"
    stage.setup("fit")
    assert fills(stage) == (3.0, 3.0)


def test_a_checkpoint_says_its_release_and_another_ones_is_not_resumed(tmp_path: Path) -> None:
    path = trained(Hearing(), tmp_path / "a.ckpt")
    assert Checkpoint.open(path).content["emoclap"] == release()
    torch.save({**torch.load(path, weights_only=True), "emoclap": "0.1.0"}, tmp_path / "b.ckpt")
    with pytest.raises(CheckpointError, match=r"was written by emoclap 0\.1\.0, and"):
        trainer(tmp_path, max_epochs=2).fit(
            Hearing(), DataLoader(torch.ones(4, 2), 4), ckpt_path=tmp_path / "b.ckpt", weights_only=True
        )


class Frozen(Hearing):
    """Its audio tower is a file's."""

    def __init__(self, fill: float = 0.0, init_from: Any = None, freeze: bool = True) -> None:
        super().__init__(fill, init_from)
        self.clap.audio.pretrained = Pretrained("hub/ears", None, "1" * 64)
        self.clap.audio.requires_grad_(not freeze)


def names(path: Path) -> set[str]:
    return {name for name in Checkpoint.open(path).content["state_dict"] if name.startswith("clap.audio.")}


def test_what_a_file_holds_is_left_out_on_and_on(tmp_path: Path) -> None:
    first = trained(Frozen(), tmp_path / "first.ckpt")
    assert names(first) == set()
    second = trained(Frozen(init_from=str(first)), tmp_path / "second.ckpt")
    assert names(second) == set()
    assert list(Checkpoint.open(second).left_out) == ["clap.audio"]


def test_what_was_trained_before_is_kept_when_it_is_frozen_after(tmp_path: Path) -> None:
    first = trained(Frozen(5.0, freeze=False), tmp_path / "first.ckpt")
    assert names(first) == {"clap.audio.weight", "clap.audio.bias"}
    stage = Frozen(0.0, str(first))
    second = trained(stage, tmp_path / "second.ckpt")
    assert names(second) == {"clap.audio.weight", "clap.audio.bias"}
    assert fills(stage)[0] == 5.0


def test_what_a_callback_froze_again_is_kept(tmp_path: Path) -> None:
    stage = Frozen(freeze=False)
    used = trainer(tmp_path)
    used.fit(stage, DataLoader(torch.ones(4, 2), 4))
    stage.clap.audio.requires_grad_(False)
    used.save_checkpoint(tmp_path / "a.ckpt")
    assert names(tmp_path / "a.ckpt") == {"clap.audio.weight", "clap.audio.bias"}


def outer_and_inner(outer: Path, inner: Path) -> list[dict[str, str]]:
    """The same two sources, named in both orders."""
    return [{"clap": str(outer), "clap.audio": str(inner)}, {"clap.audio": str(inner), "clap": str(outer)}]


def test_a_part_is_handed_over_before_what_is_inside_it(clap: Path, ser: Path) -> None:
    for init_from in outer_and_inner(clap, ser):
        stage = Hearing(0.0, init_from)
        stage.setup("fit")
        assert fills(stage) == (2.0, 1.0)


def test_a_frozen_part_does_not_pass_for_what_another_source_has_trained(tmp_path: Path) -> None:
    moved = trained(Frozen(5.0, freeze=False), tmp_path / "moved.ckpt")
    frozen = trained(Frozen(), tmp_path / "frozen.ckpt")
    for init_from in outer_and_inner(moved, frozen):
        with pytest.raises(
            CheckpointError,
            match=r"init_from: clap\.audio is to be that of .*frozen\.ckpt, which has no weights of its own for "
            r"clap\.audio\.bias, clap\.audio\.weight: .* Leave clap\.audio out to keep the trained ones",
        ):
            Frozen(0.0, init_from).setup("fit")
    for init_from in outer_and_inner(frozen, moved):
        stage = Frozen(0.0, init_from)
        stage.setup("fit")
        assert fills(stage)[0] == 5.0


@pytest.fixture(scope="module")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("llama")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


class Decoding(Stage):
    """A LoRA adapter by peft on a frozen Llama."""

    parts = ("llm",)
    required_parts = ("llm",)

    def __init__(self, folder: str, init_from: Any = None, train: bool = True) -> None:
        super().__init__()
        self.save_hyperparameters()
        from peft import LoraConfig, get_peft_model
        from transformers import LlamaForCausalLM

        self.init_from = init_from
        llm = from_pretrained(LlamaForCausalLM, folder)
        self.llm: Any = get_peft_model(llm, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
        self.llm.requires_grad_(False)
        if train:
            for name, parameter in self.llm.named_parameters():
                parameter.requires_grad_("lora_" in name)

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        tokens = batch.long()
        return self.llm(input_ids=tokens, labels=tokens).loss  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam([each for each in self.parameters() if each.requires_grad], 0.1)


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_on_a_frozen_llm_is_all_that_is_saved_and_handed_over(tiny_llama: Path, tmp_path: Path) -> None:
    first = trained(Decoding(str(tiny_llama)), tmp_path / "first.ckpt")
    kept = Checkpoint.open(first).content["state_dict"]
    assert len(kept) == 4
    assert all("lora_" in name for name in kept)
    record = Checkpoint.open(first).left_out["llm.base_model.model"]
    assert record["source"] == str(tiny_llama)
    assert "model.embed_tokens.weight" in record["tensors"]

    # In the next stage the adapter is frozen as well, and still no file but the checkpoint has it.
    stage = Decoding(str(tiny_llama), {"llm": f"{first}:llm"}, train=False)
    stage.setup("fit")
    for name, tensor in kept.items():
        assert torch.equal(stage.state_dict()[name], tensor), name
    second = saved(stage, tmp_path / "second.ckpt")
    assert Checkpoint.open(second).content["state_dict"].keys() == kept.keys()


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_does_not_fit_another_llm(tiny_llama: Path, tmp_path: Path) -> None:
    from transformers import LlamaForCausalLM

    first = saved(Decoding(str(tiny_llama)), tmp_path / "first.ckpt")
    other = LlamaForCausalLM.from_pretrained(tiny_llama)
    with torch.no_grad():
        other.model.embed_tokens.weight += 1
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"was trained on another 'base_model\.model'"):
        Decoding(str(tmp_path / "other"), str(first)).setup("fit")
