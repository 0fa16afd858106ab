"""docs/extending.md shows the files of ``mylab`` as they are, and their commands name files that are there."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

from lightning_app.config.files import find_config

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def test_it_shows_every_file_as_it_is(mylab: Path) -> None:
    shown = dict(re.findall(r"`tests/plugins/mylab/([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL))
    files = {path.name: path.read_text() for path in mylab.iterdir() if path.is_file() and path.stem != "__init__"}
    assert shown == files


def test_the_commands_in_their_headers_name_files_that_are_there(mylab: Path) -> None:
    lines = [line for path in mylab.glob("*.yaml") for line in path.read_text().splitlines()]
    commands = [shlex.split(line.removeprefix("#")) for line in lines if line.startswith("#   lightning-cli")]
    assert len(commands) >= 10
    for words in commands:
        for key, value in pairwise(words):
            assert key != "--config" or find_config(value).is_file()
            assert key != "--plugins" or (PAGE.parents[1] / value) == mylab.parent
