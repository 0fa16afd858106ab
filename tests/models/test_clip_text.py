from pathlib import Path

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from models.clip_text import ClipText
from models.errors import LearnedPromptError, TextLengthError, WeightsError

TEXTS = ["angry", "this is a sound of a happy person"]
SIZE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def folder(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP, both towers of it, whose texts end in the tokenizer's [SEP]."""
    made = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    text = SIZE | {"vocab_size": 60, "max_position_embeddings": 16, "eos_token_id": 3, "pad_token_id": 0}
    vision = SIZE | {"image_size": 16, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(made)
    for file in tiny_bert.glob("*token*"):
        (made / file.name).write_bytes(file.read_bytes())
    return made


@torch.no_grad()
def test_equals_clip_one_text_at_a_time(folder: Path) -> None:
    encoder, clip = ClipText(str(folder)).eval(), CLIPModel.from_pretrained(folder).eval()
    pooled_ND = encoder(TEXTS)
    assert pooled_ND.shape == (2, encoder.width) == (2, 16)
    for text, pooled_D in zip(TEXTS, pooled_ND, strict=True):
        ids = encoder.tokenizer(text, return_tensors="pt")["input_ids"]
        hidden = clip.text_model(input_ids=ids).last_hidden_state
        torch.testing.assert_close(pooled_D, hidden[0, -1])
        torch.testing.assert_close(
            clip.text_projection(pooled_D), clip.get_text_features(input_ids=ids).pooler_output[0]
        )


def test_holds_the_text_tower_alone(folder: Path) -> None:
    assert not any("vision" in name for name in ClipText(str(folder)).state_dict())


def test_too_long_a_text_is_refused(folder: Path) -> None:
    with pytest.raises(TextLengthError, match="longer than the 16 that"):
        ClipText(str(folder))(["angry " * 15])


def test_learned_prompts_are_refused(folder: Path) -> None:
    with pytest.raises(LearnedPromptError, match="choose another text encoder"):
        ClipText(str(folder)).from_embeddings(torch.zeros(1, 4, 16), torch.ones(1, 4))


def test_missing_folder() -> None:
    with pytest.raises(WeightsError, match="/nowhere: no such folder"):
        ClipText("/nowhere")
