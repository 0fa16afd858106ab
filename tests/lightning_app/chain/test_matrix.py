import json
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_app.chain.file import Chain, ChainStage, read_chain
from lightning_app.chain.matrix import expand_matrix
from lightning_app.errors import ConfigError

NAMES = ("a", "b", "c", "d", "e")


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """Draw stages that start from an earlier one or none, and axes that set keys of some stages."""
    count = draw(st.integers(1, 5))
    stages = {}
    for place, name in enumerate(NAMES[:count]):
        start = draw(st.sampled_from([None, *NAMES[:place]]))
        after = draw(st.sets(st.sampled_from(NAMES[:place]))) if place else set()
        stages[name] = ChainStage(name, "fit", start=start, after=tuple(sorted(after)))
    axes = {}
    for axis in ("x", "y", "z")[: draw(st.integers(0, 3))]:
        reached = draw(st.sets(st.sampled_from(NAMES[:count]), min_size=1))
        labels = [str(n) for n in range(draw(st.integers(1, 3)))]
        axes[axis] = {label: {(stage, axis): label for stage in reached} for label in labels}
    return Chain(Path("c.yaml"), "c", Path("runs"), stages, axes=axes)


def _ancestors(chain: Chain, name: str) -> set[str]:
    stage = chain.stages[name]
    return {name}.union(*(_ancestors(chain, other) for other in {stage.start or name, *stage.after} - {name}))


@given(chains())
def test_a_stage_runs_once_for_each_combination_of_what_reaches_it(chain: Chain) -> None:
    runs = expand_matrix(chain)
    for name in chain.stages:
        mine = [run for run in runs if run.stage.name == name]
        reaching = {
            axis: variants
            for axis, variants in chain.axes.items()
            if {stage for variant in variants.values() for stage, _ in variant} & _ancestors(chain, name)
        }
        assert len(mine) == prod(len(variants) for variants in reaching.values())
        assert all(set(run.cell) == set(reaching) for run in mine)
        assert len({run.arguments for run in mine}) == len(mine)


@given(chains())
def test_every_run_comes_after_what_it_needs(chain: Chain) -> None:
    seen: set[Path] = set()
    for run in expand_matrix(chain):
        assert seen.issuperset(run.depends_on)
        seen.add(run.folder)


def _chain(toy: Any, text: str) -> Chain:
    toy.write(text)
    return read_chain(Path("chain.yaml"))


STAGES = """runs: runs
stages:
  clap: {config: stages/other.yaml}
  clep: {config: stages/clep.yaml}
  acpt: {config: stages/other.yaml, from: clep}
"""


def test_a_stage_may_start_from_parts_of_several(toy: Any) -> None:
    mapping = "{clap.audio: clep:audio, clap.text: clap, clap.scale: weights/x.ckpt:log_scale}"
    runs = {run.stage.name: run for run in expand_matrix(_chain(toy, STAGES.replace("from: clep", f"from: {mapping}")))}
    assert runs["acpt"].depends_on == (Path("runs/clep"), Path("runs/clap"))
    word = next(word for word in runs["acpt"].arguments if "init_from" in word)
    key, _, value = word.partition("=")
    assert key == "--model.init_args.init_from"
    assert json.loads(value) == {
        "clap.audio": "runs/clep/best.ckpt:audio",
        "clap.text": "runs/clap/best.ckpt",
        "clap.scale": "weights/x.ckpt:log_scale",
    }


def test_an_axis_may_set_a_mapping(toy: Any) -> None:
    text = (
        STAGES + "matrix: {start: {both: {acpt.from: {clap.audio: clep, clap.text: clap}}, one: {acpt.from: clap}}}\n"
    )
    runs = {str(run.folder): run for run in expand_matrix(_chain(toy, text))}
    assert len(runs["runs/acpt/start=both"].depends_on) == 2
    assert runs["runs/acpt/start=one"].depends_on == (Path("runs/clap"),)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("{clap.audio: celp}", "unknown stage 'celp'; did you mean 'clep'"),
        ("{clap.audio: acpt:audio}", "'acpt' is no stage with weights"),
        ("{clap.audio: {x: 1}}", "expected a stage, or `part: stage` lines such as `clap.audio: ser`"),
        ("[clep, clap]", "expected a stage, or `part: stage` lines"),
    ],
)
def test_what_no_stage_can_start_from(toy: Any, start: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand_matrix(_chain(toy, STAGES.replace("from: clep", f"from: {start}")))


def test_a_variant_may_change_what_a_stage_starts_from(toy: Any) -> None:
    text = STAGES + "matrix: {finetune: {yes: {}, no: {acpt.from: clap}}, seed: {values: [1, 2], keys: [clep.seed]}}\n"
    runs = {str(run.folder): run for run in expand_matrix(_chain(toy, text))}
    assert list(runs) == [
        "runs/clep/seed=1",
        "runs/acpt/finetune=yes,seed=1",
        "runs/clep/seed=2",
        "runs/acpt/finetune=yes,seed=2",
        "runs/clap",
        "runs/acpt/finetune=no",
    ]
    assert "--model.init_args.init_from=runs/clap/best.ckpt" in runs["runs/acpt/finetune=no"].arguments


def test_a_stage_may_start_from_a_checkpoint_file_or_from_nothing(toy: Any) -> None:
    text = STAGES + "matrix: {start: {file: {acpt.from: weights/clap.ckpt}, none: {acpt.from: null}}}\n"
    file, nothing = (run for run in expand_matrix(_chain(toy, text)) if run.stage.name == "acpt")
    assert "--model.init_args.init_from=weights/clap.ckpt" in file.arguments
    assert not any("init_from" in word for word in nothing.arguments)


def test_circles(toy: Any) -> None:
    with pytest.raises(ConfigError, match="in a circle: clep -> acpt -> clep"):
        expand_matrix(_chain(toy, STAGES.replace("clep.yaml}", "clep.yaml, after: acpt}")))
    with pytest.raises(ConfigError, match="in a circle: clap -> acpt -> clap"):
        expand_matrix(
            _chain(toy, STAGES.replace("other.yaml}", "other.yaml, from: acpt}") + "set: {acpt: {from: clap}}\n")
        )


def test_an_axis_may_not_reach_a_stage_with_one_output(toy: Any) -> None:
    text = STAGES + "  corpus: {verb: prepare, args: [demo], output: m.csv}\nmatrix: {n: {a: {corpus.clips: 3}}}\n"
    with pytest.raises(ConfigError, match=r"axis 'n' reaches stage 'corpus', whose output m\.csv is one file"):
        expand_matrix(_chain(toy, text))


def test_values_are_written_as_a_command_line_takes_them(toy: Any) -> None:
    text = STAGES + 'set: {acpt: {a: 1e-3, b: [1, x], c: {class_path: L}, d: null, e: true, f: "1"}}\n'
    acpt = expand_matrix(_chain(toy, text))[-1]
    assert acpt.arguments[4:-1] == (
        "--a=0.001",
        '--b=[1, "x"]',
        '--c={"class_path": "L"}',
        "--d=null",
        "--e=true",
        "--f=1",
    )


def test_an_axis_may_bring_configuration_files_after_the_stages_own(toy: Any) -> None:
    axis = "{model: {one: {acpt.config: stages/clep.yaml}, two: {acpt.config: [stages/clep.yaml, stages/other.yaml]}}}"
    one, two = (run for run in expand_matrix(_chain(toy, f"{STAGES}matrix: {axis}\n")) if run.stage.name == "acpt")
    assert one.arguments[1:5] == ("--config", "stages/other.yaml", "--config", "stages/clep.yaml")
    assert two.arguments[5:7] == ("--config", "stages/other.yaml")
    assert not any(word.startswith("--config=") for run in (one, two) for word in run.arguments)
    assert one.folder != two.folder


def test_a_stage_whose_every_variant_is_configured_needs_no_file_of_its_own(toy: Any) -> None:
    text = STAGES.replace("{config: stages/other.yaml, from: clep}", "{from: clep}")
    both = "{model: {one: {acpt.config: stages/clep.yaml}, two: {acpt.config: stages/other.yaml}}}"
    runs = expand_matrix(_chain(toy, f"{text}matrix: {both}\n"))
    configs = [run.arguments[2] for run in runs if run.stage.name == "acpt"]
    assert configs == ["stages/clep.yaml", "stages/other.yaml"]
    with pytest.raises(ConfigError, match="stage 'acpt' needs `config:`"):
        _chain(toy, f"{text}matrix: {both.replace('acpt.config: stages/other.yaml', 'acpt.x: 1')}\n")


def test_a_configuration_file_of_an_axis_must_be_there(toy: Any) -> None:
    with pytest.raises(ConfigError, match=r"stages/none\.yaml: no such file"):
        _chain(toy, STAGES + "matrix: {model: {one: {acpt.config: stages/none.yaml}}}\n")


def test_a_configuration_for_all_is_added_to_every_stage_of_lightnings(toy: Any) -> None:
    runs = expand_matrix(_chain(toy, STAGES + 'matrix: {model: {one: {"*.config": stages/other.yaml}}}\n'))
    for run in runs:
        last = [word for before, word in pairwise(run.arguments) if before == "--config"][-1:]
        assert last == (["stages/other.yaml"] if run.stage.lightning else [])


def test_what_starts_a_stage_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("model: {class_path: stages.a.A}\n")
    Path("chain.yaml").write_text("runs: runs\nmatrix: {x: {one: {a.from: -1}}}\nstages: {a: {config: a.yaml}}\n")
    with pytest.raises(ConfigError, match=r"a\.from: expected a stage or a checkpoint, found -1"):
        expand_matrix(read_chain(Path("chain.yaml")))
