import csv
import math
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from stages.checkpoint import Checkpoint
from stages.errors import SettingError
from stages.optim import ParamGroup, WarmupCosine, group_parameters

BASE = 0.5


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.audio, self.text, self.head = nn.Linear(2, 3), nn.Linear(2, 4), nn.Linear(2, 5)
        self.text.requires_grad_(False)


def test_the_first_match_wins_and_the_rest_is_one_group() -> None:
    model = Model()
    groups = group_parameters(
        model, [ParamGroup("audio.*weight", 1e-5), ParamGroup("audio|head.weight", 1e-4, weight_decay=0.1)]
    )
    assert [[id(p) for p in group["params"]] for group in groups] == [
        [id(model.audio.weight)],
        [id(model.audio.bias), id(model.head.weight)],
        [id(model.head.bias)],
    ]
    optimizer = torch.optim.AdamW(groups, lr=BASE, weight_decay=0.02)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-5, 1e-4, BASE]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.02, 0.1, 0.02]
    groups = group_parameters(model, [ParamGroup("head", weight_decay=0.0)])
    optimizer = torch.optim.AdamW(groups, lr=BASE, weight_decay=0.02)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(BASE, 0.0), (BASE, 0.02)]


def test_every_trainable_parameter_is_in_one_group_and_no_other() -> None:
    model = Model()
    for patterns in ([], [""], ["audio", "head"], ["bias"]):
        groups = group_parameters(model, [ParamGroup(pattern, 1.0) for pattern in patterns])
        held = [id(p) for group in groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in model.parameters() if p.requires_grad)


def test_a_temperature_does_not_decay_whatever_group_it_is_in() -> None:
    """Decay draws weights to 0; the logarithm of a scale has no reason to be near it."""
    for patterns in ([], ["scale|head"], ["scale"]):
        model = Model()
        model.log_scale = nn.Parameter(torch.tensor(2.659))
        groups = group_parameters(model, [ParamGroup(each, BASE, weight_decay=0.1) for each in patterns])
        optimizer = torch.optim.AdamW(groups, lr=BASE, weight_decay=0.1)
        assert all(group["lr"] == BASE for group in optimizer.param_groups)
        before = model.head.weight.detach().clone()
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        assert model.log_scale.item() == pytest.approx(2.659)
        torch.testing.assert_close(model.head.weight.detach(), before * (1 - 0.1 * BASE))


@pytest.mark.parametrize("pattern", ["^adio", "text"])
def test_a_pattern_without_a_parameter_lists_the_names(pattern: str) -> None:
    with pytest.raises(
        SettingError, match=rf"groups: '\{pattern}' .*names begin with audio.bias, audio.weight, head.bias"
        if pattern[0] == "^" else rf"groups: '{pattern}' matches no trainable parameter"
    ) as caught:  # fmt: skip
        group_parameters(Model(), [ParamGroup(pattern, 1.0)])
    assert caught.value.exit_code == 2


def expected(step: int, warmup: float, total: int) -> float:
    first = warmup * total
    if step < first:
        return (step + 1) / (first + 1)
    return (1 + math.cos(math.pi * (step - first) / (total - first))) / 2


def scheduled(**more: float) -> tuple[torch.optim.Optimizer, WarmupCosine]:
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.SGD([{"params": parameters[:1], "lr": BASE}, {"params": parameters[1:], "lr": 2 * BASE}])
    return optimizer, WarmupCosine(optimizer, **more)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(("warmup", "total"), [(0.1, 50), (0.0, 7), (0.5, 9), (0.0, 1)])
def test_rates_follow_the_formula(warmup: float, total: int, given: bool) -> None:
    optimizer, scheduler = scheduled(warmup=warmup, total_steps=total if given else None)
    if not given:
        scheduler.run_over(total)
    for step in range(total):
        for group, base in zip(optimizer.param_groups, (BASE, 2 * BASE), strict=True):
            assert group["lr"] == pytest.approx(base * expected(step, warmup, total), abs=1e-12), step
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


def test_rates_rise_to_the_full_one_and_then_fall() -> None:
    optimizer, scheduler = scheduled(warmup=0.2, total_steps=40)
    rates = []
    for _ in range(40):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    peak = rates.index(max(rates))
    assert (peak, rates[peak]) == (8, BASE)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[0] < BASE / 8


@pytest.mark.parametrize("warmup", [-0.1, 1.0])
def test_warmup_is_a_part_of_the_run(warmup: float) -> None:
    with pytest.raises(SettingError, match=r"scheduler\.init_args\.warmup is .*expected at least 0 and less than 1"):
        scheduled(warmup=warmup)


SCHEDULE = {
    "model": {"init_args": {"scheduler": {"class_path": "stages.optim.WarmupCosine", "init_args": {"warmup": 0.25}}}},
    "checkpoint": {"every_n_train_steps": 1},
    "trainer": {
        "log_every_n_steps": 1,
        "callbacks": [{"class_path": "LearningRateMonitor", "init_args": {"logging_interval": "step"}}],
    },
}


def rates(folder: Path) -> dict[int, float]:
    with (folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("lr-Adam/rest")]
    return {int(row["step"]): float(row["lr-Adam/rest"]) for row in rows}


@pytest.fixture
def fit(tiny_yaml: Path, command, tmp_path: Path):
    (tmp_path / "schedule.yaml").write_text(yaml.safe_dump(SCHEDULE))

    def run(folder: str, *words: str) -> Path:
        code = command(
            "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--config", tmp_path / "schedule.yaml",
            f"--trainer.default_root_dir={tmp_path / folder}", *words,
        )  # fmt: skip
        assert code == 0
        return tmp_path / folder

    return run


def test_the_stage_fills_in_its_steps_and_ends_near_zero(fit, recwarn: pytest.WarningsRecorder) -> None:
    # Four steps an epoch.
    logged = rates(fit("run", "--trainer.max_epochs=3"))
    assert len(logged) == 12
    for place, step in enumerate(sorted(logged)):
        assert logged[step] == pytest.approx(1e-3 * expected(place, 0.25, 12), rel=1e-6)
    assert logged[max(logged)] < 0.05 * 1e-3
    assert not [
        str(w.message) for w in recwarn if "lr_scheduler" in str(w.message) or "scheduler.step" in str(w.message)
    ]


@pytest.mark.parametrize("stop", [4, 6])
def test_a_resumed_run_has_the_rates_and_weights_of_an_uninterrupted_one(fit, tmp_path: Path, stop: int) -> None:
    whole = fit("whole", "--trainer.max_epochs=3")
    part = fit("part", "--trainer.max_epochs=3", f"--trainer.max_steps={stop}", "--model.scheduler.total_steps=12")
    assert Checkpoint.open(part / "last.ckpt").content["global_step"] == stop
    resumed = fit("resumed", "--trainer.max_epochs=3", f"--ckpt_path={part / 'last.ckpt'}")
    before, after, all_of_it = rates(part), rates(resumed), rates(whole)
    assert [*before.values(), *after.values()] == pytest.approx(list(all_of_it.values()), rel=1e-9)
    one, two = (Checkpoint.open(folder / "best.ckpt").content["state_dict"] for folder in (whole, resumed))
    for name, tensor in one.items():
        assert torch.equal(tensor, two[name]), name


def test_a_prolonged_run_takes_the_longer_schedule(fit) -> None:
    short = fit("short", "--trainer.max_epochs=2")
    longer = rates(fit("longer", "--trainer.max_epochs=4", f"--ckpt_path={short / 'last.ckpt'}"))
    assert list(longer.values()) == pytest.approx([1e-3 * expected(step, 0.25, 16) for step in range(8, 16)], rel=1e-6)
