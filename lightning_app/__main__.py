"""``python -m lightning_app`` is ``lightning-cli``."""

import sys

from lightning_app.cli import main

sys.exit(main())
