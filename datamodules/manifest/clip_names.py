"""Names for clips whose table gives them none."""

import os
import posixpath
from collections import defaultdict
from collections.abc import Callable, Sequence


def default_ids(paths: Sequence[str]) -> list[str]:
    """A name for each path: the file's, without its ending, as long as no other file has it.

    Files of one name in several folders (``angry/001.wav``, ``happy/001.wav``) are named with their folders, and files
    that differ in nothing but their endings with those, too. Folders that all absolute paths have in common are left
    out: they say where a corpus lies, not what a clip is. Clips of one and the same file share its name.
    """
    slashed = [posixpath.normpath(path.replace("\\", "/")) if path else "" for path in paths]
    folders = {posixpath.dirname(path) for path in slashed if posixpath.isabs(path)}
    common = posixpath.join(posixpath.commonpath(folders), "") if folders else ""
    levels: tuple[Callable[[str], str], ...] = (
        lambda path: os.path.splitext(os.path.basename(path))[0],
        lambda path: os.path.splitext(path.removeprefix(common))[0],
        lambda path: path.removeprefix(common),
        lambda path: path,
    )
    names = dict.fromkeys(slashed, "")
    unnamed = list(names)
    for level in levels:
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for path in unnamed:
            alike[level(path)].append(path)
        names |= {path: name for name, together in alike.items() for path in together}
        unnamed = [path for together in alike.values() if len(together) > 1 for path in together]
    return [names[path] for path in slashed]
