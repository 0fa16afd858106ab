"""``python -m lightning_app`` is ``lightning-cli``."""

import sys

from lightning_app.cli import main

if not sys.flags.safe_path:
    # The folder in which the command happens to be called; the installed command does not search it, either.
    del sys.path[0]
sys.exit(main())
