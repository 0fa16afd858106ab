"""Where is kept what can be made again."""

import os
from pathlib import Path

VARIABLE = "EMOCLAP_CACHE"


def cache_folder() -> Path | None:
    """The folder of everything that may be deleted and made again; None keeps nothing on disk.

    ``$EMOCLAP_CACHE`` where it is set (``off`` is None), else ``$XDG_CACHE_HOME/emoclap`` or ``~/.cache/emoclap``.
    """
    chosen = os.environ.get(VARIABLE, "")
    if chosen == "off":
        return None
    if chosen:
        return Path(os.path.abspath(os.path.expanduser(chosen)))
    # The standard of base directories tells programs to pass over a relative path.
    if os.path.isabs(base := os.environ.get("XDG_CACHE_HOME", "")):
        return Path(base) / "emoclap"
    home = os.path.expanduser("~")
    return Path(home) / ".cache" / "emoclap" if os.path.isabs(home) else None
