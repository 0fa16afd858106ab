"""What can be made again, kept on disk under a name that says what it was made from.

Something made from other things has another name, so that nothing kept is ever out of date. Files appear whole or not
at all; runs side by side do not disturb each other, and a folder that cannot be written is done without.
"""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from datamodules.files import replacing

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


def key_of(*parts: object) -> bytes:
    """The name of what is made from some parts, which JSON can hold; 32 bytes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def kept_json(kind: str, key: str, make: Callable[[], Any]) -> Any:
    """Return what is kept under a key, else what ``make`` returns, which is kept from then on.

    Args:
        kind: Folder in the cache, such as ``captions``.
        key: Of all that decides the value.
        make: Makes the value, of which JSON must hold every part.
    """
    folder = cache_folder()
    path = folder / kind / f"{key}.json" if folder else None
    if path is not None:
        # A damaged file is as good as none.
        with suppress(OSError, ValueError):
            return json.loads(path.read_text(encoding="utf-8"))
    value = make()
    if path is not None:
        with suppress(OSError), replacing(path) as part:
            part.write_text(json.dumps(value), encoding="utf-8")
    return value
