from pathlib import Path
from typing import Any

import pytest

from lightning_app.chain.file import read_chain
from lightning_app.errors import ConfigError

GOOD = """runs: runs
stages:
  clap: {config: stages/other.yaml}
  clep: {config: stages/clep.yaml}
  acpt: {config: stages/other.yaml, from: clep}
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD + "stage: {}\n", r"chain\.yaml:6:1: unknown key 'stage'; did you mean 'stages'\?"),
        (GOOD.replace("from", "form"), r"chain\.yaml:5:37: unknown key 'form'; did you mean 'from'\?"),
        (GOOD.replace("from: clep", "from: celp"), r"chain\.yaml:5:37: unknown stage 'celp'; did you mean 'clep'\?"),
        (GOOD.replace("from: clep", "after: x"), r"unknown stage 'x'; expected one of: clap, clep, acpt"),
        (GOOD.replace("from: clep", "verb: fitt"), r"chain\.yaml:5:37: unknown verb 'fitt'; did you mean 'fit'\?"),
        (GOOD.replace("stages/clep", "stages/none"), r"chain\.yaml:4:10: stages/none\.yaml: no such file"),
        (GOOD.replace("{config: stages/clep.yaml}", "{}"), r"chain\.yaml:4:3: stage 'clep' needs `config:`"),
        (GOOD.replace("clep.yaml}", "clep.yaml, verb: prepare}"), "`prepare` takes `args`, not `config` or `from`"),
        (GOOD.replace("clep:", "a b:"), r"chain\.yaml:4:3: stage name 'a b': use letters"),
        (GOOD.replace("runs: runs\n", ""), "key `runs` is missing"),
        ("runs: runs\n", "key `stages` is missing"),
        (GOOD + "matrix: {seed: {values: [1], keys: [clop.x]}}\n", r"unknown stage 'clop'; did you mean 'clep'\?"),
        (GOOD + "matrix: {seed: {values: [1], keys: [clep]}}\n", "expected STAGE.KEY, such as acpt.trainer.max_epochs"),
        (GOOD + "matrix: {seed: {values: [], keys: [clep.x]}}\n", "axis 'seed' needs `values:`, a list, and `keys:`"),
        (GOOD + "matrix: {seed: {values: [1]}}\n", "axis 'seed' needs `values:`, a list, and `keys:`"),
        (GOOD + "matrix: {seed: {values: [1, 1], keys: [clep.x]}}\n", "axis 'seed' has the value 1 twice"),
        (GOOD + "matrix: {seed: {}}\n", "axis 'seed' has no values"),
        (GOOD + "matrix: {loss: {a/b: {clep.x: 1}}}\n", r"chain\.yaml:6:17: label 'a/b' names a folder"),
        (GOOD + "matrix: {a: {x: {clep.k: 1}}, b: {y: {clep.k: 2}}}\n", "axes 'a' and 'b' both set clep.k"),
        (GOOD + "set: {clop: {x: 1}}\n", r"chain\.yaml:6:7: unknown stage 'clop'; did you mean 'clep'\?"),
        (GOOD + "set: {clep: {config: a.yaml}}\n", "give the files to the stage: `stages: clep: config:`"),
        (GOOD + "runs: other\n", "duplicate key 'runs'"),
        (GOOD + "report: yes please\n", "expected `key: value` lines, found 'yes please'"),
    ],
)
def test_mistakes(toy: Any, text: str, complaint: str) -> None:
    toy.write(text)
    with pytest.raises(ConfigError, match=complaint):
        read_chain(Path("chain.yaml"))


def test_configs_lie_beside_the_chain_or_here(toy: Any) -> None:
    Path("chains/stages").mkdir(parents=True)
    Path("chains/stages/clep.yaml").write_text("model: {}\n")
    Path("chains/a.yaml").write_text(GOOD)
    chain = read_chain(Path("chains/a.yaml"))
    assert chain.stages["clep"].configs == ("chains/stages/clep.yaml",)
    assert chain.stages["acpt"].configs == ("stages/other.yaml",)
    assert chain.name == "a"


def test_labels_of_plain_values(toy: Any) -> None:
    toy.write(GOOD + "matrix: {x: {values: [1, 0.5, true, [a, b], word], keys: [clep.x, acpt.y]}}\n")
    axis = read_chain(Path("chain.yaml")).axes["x"]
    assert list(axis) == ["1", "0.5", "true", "-a-b-", "word"]
    assert axis["0.5"] == {("clep", "x"): 0.5, ("acpt", "y"): 0.5}


def test_yes_and_no_are_labels(toy: Any) -> None:
    toy.write(GOOD + "matrix: {finetune: {yes: {}, no: {acpt.from: clap}}}\n")
    assert read_chain(Path("chain.yaml")).axes == {"finetune": {"yes": {}, "no": {("acpt", "from"): "clap"}}}
