"""What an evaluation makes of one batch, on a tiny model."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from datamodules.batch import TextColumn
from models.audio import AudioEncoder
from models.clap import Clap
from models.errors import LabelError
from models.recognition import Ratings, Scores, ZeroShot
from models.soft_prompt import SoftPrompt
from models.text import TextEncoder
from stages.acpt import ACPT
from stages.clap import ClapTraining
from stages.classifier import TextClassifier
from stages.evaluation import ClipOutputs, Evaluation
from stages.metrics.space_metric import SharedSpace, SpaceMetric
from stages.ser import DimensionalSER
from stages.stage import Stage

LABELS, WORDS = ["anger", "happiness", "sadness"], ["angry", "happy", "sad"]


class Statistics(AudioEncoder):
    sample_rate, width = 16000, 2

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        return torch.stack([torch.stack(torch.std_mean(w[:n])) for w, n in zip(wave_NT, length_N, strict=True)])


class Watch(SpaceMetric):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[SharedSpace] = []

    def update(self, clips: SharedSpace) -> None:
        self.seen.append(clips)

    def compute(self) -> dict[str, list[float]]:
        return {}


def stage_of(kind: type[Stage], tiny_bert: Path, **more: object) -> Stage:
    """A stage of one kind, trained for three classes; of one seed, so that all have the same model inside."""
    torch.manual_seed(0)
    clap = Clap(Statistics(), TextEncoder(str(tiny_bert)), dim=16)
    return kind(clap, LABELS, WORDS, **more)  # type: ignore[arg-type, call-arg]


def evaluation(stage: Stage, **more: object) -> Evaluation:
    more = {"labels": LABELS, "words": WORDS, **more}
    return Evaluation(stage=stage, init_from=Path("none.ckpt"), **more).eval()  # type: ignore[arg-type]


class Nothing:
    """Released weights that load nothing."""

    def load(self, clap: nn.Module) -> str:
        return "nothing"


def scores(outputs: ClipOutputs) -> dict[str, Tensor]:
    return {system: output.value for system, output in outputs["outputs"].items() if isinstance(output, Scores)}


def batch(names: str = "abcde") -> dict[str, object]:
    """Clips whose sound is decided by their names."""
    wave = torch.stack(
        [torch.randn(800, generator=torch.Generator().manual_seed(ord(name))) * (ord(name) - 96) / 20 for name in names]
    )
    n = len(names)
    return {
        "wave": wave, "length": torch.full((n,), 800), "label": torch.arange(n) % 3, "rating": torch.full((n, 3), 3.37),
        "features": {},
        "texts": {"caption": TextColumn(torch.arange(n) % 2, ["angry", "a sad voice"])},
        "id": list(names), "corpus": ["c"] * n, "skipped": [],
    }  # fmt: skip


@torch.no_grad()
def test_a_clip_has_the_number_of_its_name_in_every_batch(tiny_bert: Path) -> None:
    stage = evaluation(stage_of(ClapTraining, tiny_bert), space_metrics=[Watch()])
    stage.on_test_start()
    found = []
    for parts in (["abcde"], ["ed", "cab"]):
        stage.measurement.metrics[0].seen.clear()  # type: ignore[union-attr, operator]
        for names in parts:
            stage.test_step(batch(names), 0)  # type: ignore[arg-type]
        shown = torch.cat([clips.clip_N for clips in stage.measurement.metrics[0].seen])  # type: ignore[union-attr]
        found.append(dict(zip("".join(parts), shown.tolist(), strict=True)))
    assert found[0] == found[1]
    assert len(set(found[0].values())) == 5
    captions = [clips.caption_N for clips in stage.measurement.metrics[0].seen]  # type: ignore[union-attr]
    assert [len(set(part.tolist())) for part in captions] == [2, 2]


@torch.no_grad()
@pytest.mark.parametrize("half", [False, True])
def test_scores_are_not_rounded_where_the_towers_run_in_bfloat16(tiny_bert: Path, half: bool) -> None:
    """Towers and projections may; the cosines of what they give are float32, so that no tie goes to the first class."""
    stage = evaluation(stage_of(TextClassifier, tiny_bert), space_metrics=[Watch()])
    if half:
        stage.bfloat16()
    trained: TextClassifier = stage.stage  # type: ignore[assignment]
    heard = {**batch(), "features": {"audio": 1 + 0.01 * torch.randn(5, 2).to(trained.clap.log_scale.dtype)}}
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not half):
        stage.on_test_start()
        outputs = stage.test_step(heard, 0)  # type: ignore[arg-type]
    embedding = outputs["embedding"]
    assert embedding.dtype == torch.float32
    assert len(outputs["outputs"]) == 5
    for recogniser in stage._recognisers:
        if isinstance(recogniser, ZeroShot):
            assert recogniser.text_CE.dtype == torch.float32
            expected = embedding @ recogniser.text_CE.T
            torch.testing.assert_close(scores(outputs)[recogniser.name], expected, atol=1e-6, rtol=0)
    expected = embedding @ torch.nn.functional.normalize(trained.classifier.weight_CE.float(), dim=1).T
    torch.testing.assert_close(scores(outputs)["text-trained classifier"], expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_a_part_of_the_classes_has_the_scores_that_these_classes_have_among_all(tiny_bert: Path) -> None:
    """Prompts and classifier were trained for three classes; two are asked for, in another order."""
    trained = stage_of(TextClassifier, tiny_bert)
    whole, part = evaluation(trained), evaluation(trained, labels=["sadness", "anger"], words=["sad", "angry"])
    found = []
    for stage in (whole, part):
        stage.on_test_start()
        found.append(scores(stage.test_step(batch(), 0)))  # type: ignore[arg-type]
    assert {"zero-shot", "ACPT prompts", "text-trained classifier"} < set(found[0])
    for system, all_NC in found[0].items():
        assert not torch.allclose(all_NC[:, 0], all_NC[:, 2])
        torch.testing.assert_close(found[1][system], all_NC[:, [2, 0]], atol=1e-6, rtol=0, msg=system)
    points, labels, kinds = part.text_points()  # type: ignore[misc]
    learned = [label for label, kind in zip(labels, kinds, strict=True) if kind == "prompt"]
    assert learned == ["sadness", "anger"] * 12
    assert len(points) == len(labels)


@torch.no_grad()
def test_the_prompts_of_all_contexts_recognise_together(tiny_bert: Path) -> None:
    """A class's score is the mean of its cosines under every context."""
    trained = stage_of(ACPT, tiny_bert, prompt=partial(SoftPrompt, contexts=4, std=1.0))
    stage = evaluation(trained)
    stage.on_test_start()
    outputs = stage.test_step(batch(), 0)  # type: ignore[arg-type]
    prompt_KCE = trained()
    assert len(prompt_KCE) == 4
    each_KNC = torch.stack([outputs["embedding"] @ prompt_CE.T for prompt_CE in prompt_KCE])
    assert each_KNC.std(0).min() > 1e-4
    torch.testing.assert_close(scores(outputs)["ACPT prompts"], each_KNC.mean(0), atol=1e-6, rtol=0)


@torch.no_grad()
def test_a_stage_without_a_shared_space_is_evaluated_and_not_measured() -> None:
    trained = DimensionalSER(Statistics(), LABELS, WORDS)
    stage = evaluation(trained)
    stage.on_test_start()
    outputs = stage.test_step(batch(), 0)  # type: ignore[arg-type]
    heard = batch()
    expected = trained.eval()(heard["wave"], heard["length"])
    ratings = outputs["outputs"]["dimensional"]
    assert isinstance(ratings, Ratings)
    assert ratings.labels == ("valence", "arousal", "dominance")
    torch.testing.assert_close(ratings.value, expected)
    assert stage.text_points() is None
    assert stage.frozen_towers == {}
    with pytest.raises(LabelError, match="space_metrics: DimensionalSER has no shared space of clips and texts"):
        evaluation(trained, space_metrics=[Watch()])


def test_a_stage_that_recognises_nothing_is_refused() -> None:
    stage = evaluation(Stage())
    with pytest.raises(LabelError, match=r"none\.ckpt: Stage has nothing that recognises emotion"):
        stage.on_test_start()


def test_what_is_evaluated_has_to_be_said(tiny_bert: Path) -> None:
    with pytest.raises(LabelError, match="init_from is null; name a checkpoint, or released weights in its place"):
        Evaluation(LABELS, WORDS)
    with pytest.raises(LabelError, match="clap: released weights need the model that they belong to"):
        Evaluation(LABELS, WORDS, weights=Nothing())
    with pytest.raises(LabelError, match="stage says parts of it anew"):
        evaluation(stage_of(ClapTraining, tiny_bert), clap=Clap(Statistics(), TextEncoder(str(tiny_bert))))
