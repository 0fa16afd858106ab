"""What a decoder writes on the terminal in place of reporting it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def decoder_noise() -> Iterator[list[str]]:
    """Collect what C code writes to the standard error stream; the lines are in the list when the context ends.

    libmpg123 tells of damaged frames in this way alone. The stream belongs to the whole process: use it where no other
    thread writes there.
    """
    lines: list[str] = []
    with tempfile.TemporaryFile() as noise:
        terminal = os.dup(2)
        os.dup2(noise.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            noise.seek(0)
            lines += noise.read(100_000).decode(errors="replace").splitlines()
