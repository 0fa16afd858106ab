"""What the data are told of trainer and stage."""

from types import SimpleNamespace

import pytest

from lightning_app.callbacks.features import place_in_training


# Epochs of ten batches, of which a limit takes six: what the trainer has counted, and where it goes on.
@pytest.mark.parametrize(
    ("started", "processed", "ready", "is_last", "place"),
    [
        (0, 0, 0, False, (0, 0)),  # never begun
        (1, 0, 4, False, (0, 4)),  # within the first epoch
        (3, 2, 5, False, (2, 5)),  # within the third
        (3, 2, 6, True, (3, 0)),  # behind its last batch
        (3, 3, 6, True, (3, 0)),  # at its end
        (3, 3, 10, False, (3, 0)),
    ],
)
def test_place_in_training(started: int, processed: int, ready: int, is_last: bool, place: tuple[int, int]) -> None:
    batches = SimpleNamespace(current=SimpleNamespace(ready=ready), is_last_batch=is_last)
    epochs = SimpleNamespace(current=SimpleNamespace(started=started, processed=processed))
    loop = SimpleNamespace(epoch_progress=epochs, epoch_loop=SimpleNamespace(batch_progress=batches))
    assert place_in_training(SimpleNamespace(fit_loop=loop)) == place  # type: ignore[arg-type]
