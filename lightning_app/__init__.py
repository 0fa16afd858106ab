"""emoclap: contrastive language-audio models for speech emotion, as stages that hand checkpoints forward."""

from lightning_app.config.own_packages import find_own_packages_first

# Here, where every door comes by: the command, `python -m`, and the processes that either starts.
find_own_packages_first()

from stages.release import __version__  # noqa: E402  # from our `stages`, whatever else is called so

__all__ = ["__version__"]
