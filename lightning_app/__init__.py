"""emoclap: contrastive language-audio models for speech emotion, as stages that hand checkpoints forward."""

from lightning_app.own_packages import find_own_packages_first

__version__ = "0.1.0"

# Here, where every door comes by: the command, `python -m`, and the processes that either starts.
find_own_packages_first()
