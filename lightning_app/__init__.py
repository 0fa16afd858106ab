"""emoclap: contrastive language-audio models for speech emotion, as stages that hand checkpoints forward."""

__version__ = "0.1.0"
