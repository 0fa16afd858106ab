"""Words that are executed: docstring examples, and the commands of README and of every YAML's header."""

import doctest
import importlib
import pkgutil
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lightning_app.cli import LIGHTNING_VERBS, VERBS
from lightning_app.config.files import find_config
from lightning_app.config.plugins import plugin_options

ROOT = Path(__file__).parents[1]
PACKAGES = ("datamodules", "losses", "models", "stages", "lightning_app")


def modules() -> list[str]:
    found = []
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        found += [module.name for module in pkgutil.walk_packages(path, f"{package}.")]
    return [name for name in found if not name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_docstring_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def commands() -> list[tuple[str, str]]:
    """(where, command line) of every `lightning-cli` line in README's shell blocks and in the YAML headers."""
    texts = []
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", file.read_text(), re.DOTALL)
        texts += [(file.name, line) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for file in [*(ROOT / "stages").glob("*.yaml"), *(ROOT / "configs").rglob("*.yaml")]:
        header = "\n".join(line.lstrip("# ") for line in file.read_text().splitlines() if line.startswith("#"))
        texts += [(file.name, line) for line in header.replace("\\\n", " ").splitlines()]
    return [(where, line.strip()) for where, line in texts if line.strip().startswith(("lightning-cli", "emoclap"))]


@pytest.mark.parametrize(("where", "line"), commands())
def test_every_command_that_we_print_exists(where: str, line: str, planned: dict[Path, Any]) -> None:
    words = shlex.split(line, comments=True)
    assert words[1] in {*VERBS, *LIGHTNING_VERBS}, f"{where}: {line}"
    for before, word in pairwise(words):
        if before == "--config":
            assert find_config(word).is_file()
    with plugin_options(words[2:]) as rest:
        parse(words[1], rest, planned)


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_configuration_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"(?:stages|configs)/[\w/]+\.yaml", page.read_text().replace("stages/NAME.yaml", ""))
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_page_is_found_from_the_readme() -> None:
    texts = "".join(page.read_text() for page in PAGES)
    assert [page.name for page in PAGES[1:] if f"{page.name})" not in texts] == []


def parse(verb: str, words: list[str], planned: dict[Path, Any]) -> None:
    """Let the verb's own parser accept the words."""
    if verb in VERBS:
        from jsonargparse import ArgumentParser

        parser = ArgumentParser(exit_on_error=False)
        module = importlib.import_module(VERBS[verb][0])
        module.add_arguments(parser)
        parser.parse_args(module.as_options(words) if hasattr(module, "as_options") else words)
        return
    from lightning_app.chain.child import read_all
    from lightning_app.chain.reading import Question

    own = [word for word in words if word not in ("--no-cache", "--overwrite", "--print_config")]
    (answer,) = read_all([Question((verb, *own))], dict(planned))
    # Of a checkpoint that no stage's file makes all is read but what is in it.
    assert not answer.error or (answer.exit_code == 4 and "is not there" in answer.error), answer.error


@pytest.fixture(scope="module")
def planned() -> dict[Path, Any]:
    """The checkpoints that the stages' files leave, in the folders that they name."""
    from lightning_app.chain.child import read_all
    from lightning_app.chain.reading import Question

    made: dict[Path, Any] = {}
    for name in ("ser", "clap", "clep", "smoothclap", "emotionrankclap", "acpt", "classifier"):
        (answer,) = read_all([Question(("fit", "--config", f"stages/{name}.yaml"), f"runs/{name}/best.ckpt")], made)
        assert answer.error == ""
    return made
