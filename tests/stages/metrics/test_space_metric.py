import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from stages.metrics.retrieval import Retrieval
from stages.metrics.space_metric import SharedSpace

PROGRAM = Path(__file__).with_name("ranks.py")
spec = importlib.util.spec_from_file_location("metric_ranks", PROGRAM)
ranks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ranks)
CLIPS = ranks.clips()


def kept(*batches, measure=None):
    measure = measure or Retrieval()
    for batch in batches:
        measure.update(batch)
    return measure


def test_neither_batches_nor_ranks_decide_the_order():
    whole = kept(CLIPS)
    first = kept(ranks.part(CLIPS, [9, 0, 4]), ranks.part(CLIPS, [8, 1, 3, 5, 6]))
    first.merge_state(kept(ranks.part(CLIPS, [7, 2])))
    # Bits are compared, as caption numbers are kept as the bits of floats that may be NaN.
    assert torch.equal(first.gathered().view(torch.int32), whole.gathered().view(torch.int32))
    assert len(whole.gathered()) == 10


def test_a_rank_without_clips_takes_part(tmp_path):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = {}
    for measure in ranks.metrics():
        expected |= kept(CLIPS, measure=measure).compute()
    assert [torch.load(tmp_path / f"{rank}.pt") for rank in range(3)] == [expected] * 3


def test_equal_clips_are_kept_each():
    same = SharedSpace(*(getattr(CLIPS, name)[:1].repeat_interleave(3, 0) for name in SharedSpace.__dataclass_fields__))
    assert kept(same).gathered().shape == (3, 10)


def test_clips_stand_in_the_order_of_their_numbers_whatever_their_embeddings_are():
    order = CLIPS.clip_N.argsort()
    for audio in (CLIPS.audio_NE, CLIPS.audio_NE * (1 + 1e-7), -CLIPS.audio_NE):
        rows = kept(replace(CLIPS, audio_NE=audio)).gathered()
        assert torch.equal(rows[:, :8], torch.cat([audio, CLIPS.text_NE], dim=1)[order])


def test_reset_forgets():
    measure = kept(CLIPS)
    measure.reset()
    assert len(measure.gathered()) == 0
    measure.update(CLIPS)
    assert len(measure.gathered()) == 10
