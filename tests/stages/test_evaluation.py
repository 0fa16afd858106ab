"""What an evaluation makes of one batch, on a tiny model."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.audio import AudioEncoder
from models.clap import Clap
from models.classifier import CosineClassifier
from models.soft_prompt import SoftPrompt
from models.text import TextEncoder
from stages.evaluation import Evaluation
from stages.metrics.measure import Measure, Shared

LABELS, WORDS = ["anger", "happiness", "sadness"], ["angry", "happy", "sad"]


class Statistics(AudioEncoder):
    sample_rate, width = 16000, 2

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        return torch.stack([torch.stack(torch.std_mean(w[:n])) for w, n in zip(wave_NT, length_N, strict=True)])


class Watch(Measure):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Shared] = []

    def update(self, clips: Shared) -> None:
        self.seen.append(clips)

    def compute(self) -> dict[str, list[float]]:
        return {}


def evaluation(tiny_bert: Path, **more: object) -> Evaluation:
    torch.manual_seed(0)
    clap = Clap(Statistics(), TextEncoder(str(tiny_bert)), dim=16)
    more = {"labels": LABELS, "words": WORDS, **more}
    return Evaluation(clap, init_from=Path("none.ckpt"), **more).eval()  # type: ignore[arg-type]


def batch(names: str = "abcde") -> dict[str, object]:
    """Clips whose sound is decided by their names."""
    wave = torch.stack(
        [torch.randn(800, generator=torch.Generator().manual_seed(ord(name))) * (ord(name) - 96) / 20 for name in names]
    )
    n = len(names)
    return {
        "wave": wave, "length": torch.full((n,), 800), "label": torch.arange(n) % 3, "rating": torch.full((n, 3), 3.37),
        "caption": torch.arange(n) % 2, "captions": ["angry", "a sad voice"], "tag": torch.zeros(n, dtype=torch.int64),
        "tags": [], "features": {}, "id": list(names), "corpus": ["c"] * n, "skipped": [],
    }  # fmt: skip


@torch.no_grad()
def test_a_clip_has_the_number_of_its_name_in_every_batch(tiny_bert: Path) -> None:
    stage = evaluation(tiny_bert, measures=[Watch()])
    stage._embed_classes()
    found = []
    for parts in (["abcde"], ["ed", "cab"]):
        stage.measures[0].seen.clear()  # type: ignore[union-attr, operator]
        for names in parts:
            stage.test_step(batch(names), 0)  # type: ignore[arg-type]
        shown = torch.cat([clips.clip_N for clips in stage.measures[0].seen])  # type: ignore[union-attr]
        found.append(dict(zip("".join(parts), shown.tolist(), strict=True)))
    assert found[0] == found[1]
    assert len(set(found[0].values())) == 5
    captions = [clips.caption_N for clips in stage.measures[0].seen]  # type: ignore[union-attr]
    assert [len(set(part.tolist())) for part in captions] == [2, 2]


@torch.no_grad()
@pytest.mark.parametrize("half", [False, True])
def test_scores_are_not_rounded_where_the_towers_run_in_bfloat16(tiny_bert: Path, half: bool) -> None:
    """Towers and projections may; the cosines of what they give are float32, so that no tie goes to the first class."""
    stage = evaluation(tiny_bert, classifier=CosineClassifier, measures=[Watch()])
    if half:
        stage.bfloat16()
    heard = {**batch(), "features": {"audio": 1 + 0.01 * torch.randn(5, 2).to(stage.clap.log_scale.dtype)}}
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not half):
        stage._embed_classes()
        outputs = stage.test_step(heard, 0)  # type: ignore[arg-type]
    embedding = outputs["embedding"]
    assert embedding.dtype == torch.float32
    assert len(outputs["scores"]) == 4
    for system, text_CE in stage._text_CE.items():
        assert text_CE.dtype == torch.float32
        torch.testing.assert_close(outputs["scores"][system], embedding @ text_CE.T, atol=1e-6, rtol=0)
    weight_CE = stage.classifier.weight_CE.float()  # type: ignore[union-attr]
    expected = embedding @ torch.nn.functional.normalize(weight_CE, dim=1).T
    torch.testing.assert_close(outputs["scores"]["text-trained classifier"], expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_a_part_of_the_classes_has_the_scores_that_these_classes_have_among_all(tiny_bert: Path) -> None:
    """Prompts and classifier were trained for three classes; two are asked for, in another order."""
    trained = {"trained_labels": LABELS, "trained_words": WORDS, "prompt": SoftPrompt, "classifier": CosineClassifier}
    whole = evaluation(tiny_bert, **trained)
    part = evaluation(tiny_bert, **trained, labels=["sadness", "anger"], words=["sad", "angry"])
    part.load_state_dict(whole.state_dict())
    scores = []
    for stage in (whole, part):
        stage._embed_classes()
        scores.append(stage.test_step(batch(), 0)["scores"])  # type: ignore[arg-type]
    assert {"zero-shot", "ACPT prompts", "text-trained classifier"} < set(scores[0])
    for system, all_NC in scores[0].items():
        assert not torch.allclose(all_NC[:, 0], all_NC[:, 2])
        torch.testing.assert_close(scores[1][system], all_NC[:, [2, 0]], atol=1e-6, rtol=0, msg=system)
    points, labels, kinds = part.text_points()
    learned = [label for label, kind in zip(labels, kinds, strict=True) if kind == "prompt"]
    assert learned == ["sadness", "anger"] * (len(learned) // 2)
    assert len(points) == len(labels)


@torch.no_grad()
def test_the_prompts_of_all_contexts_recognise_together(tiny_bert: Path) -> None:
    """A class's score is the mean of its cosines under every context."""
    stage = evaluation(tiny_bert, prompt=partial(SoftPrompt, contexts=4, std=1.0))
    stage._embed_classes()
    outputs = stage.test_step(batch(), 0)  # type: ignore[arg-type]
    prompt_KCE = stage._prompts()
    assert len(prompt_KCE) == 4
    each_KNC = torch.stack([outputs["embedding"] @ prompt_CE.T for prompt_CE in prompt_KCE])
    assert each_KNC.std(0).min() > 1e-4
    torch.testing.assert_close(outputs["scores"]["ACPT prompts"], each_KNC.mean(0), atol=1e-6, rtol=0)
