"""docs/extending.md shows the files of ``mylab`` as they are; run this file to bring the page up to date."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

MYLAB = Path(__file__).parent / "mylab"
PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
SHOWN = re.compile(r"(`tests/plugins/mylab/([\w.]+)`:\n\n```\w+\n)(.*?)```", re.DOTALL)


def test_it_shows_every_file_as_it_is() -> None:
    shown = {name: text for _, name, text in SHOWN.findall(PAGE.read_text())}
    files = {path.name: path.read_text() for path in MYLAB.iterdir() if path.is_file() and path.stem != "__init__"}
    assert shown == files, f"python {__file__} writes them anew"


def test_the_commands_in_their_headers_name_files_that_are_there() -> None:
    from lightning_app.config.files import find_config

    lines = [line for path in MYLAB.glob("*.yaml") for line in path.read_text().splitlines()]
    commands = [shlex.split(line.removeprefix("#")) for line in lines if line.startswith("#   lightning-cli")]
    assert len(commands) >= 10
    for words in commands:
        for key, value in pairwise(words):
            assert key != "--config" or find_config(value).is_file()
            assert key != "--plugins" or (PAGE.parents[1] / value) == MYLAB.parent


if __name__ == "__main__":
    PAGE.write_text(SHOWN.sub(lambda found: f"{found[1]}{(MYLAB / found[2]).read_text()}```", PAGE.read_text()))
