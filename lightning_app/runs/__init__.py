"""The run folder of a stage: its files, its lock, its fingerprint, and what it takes from checkpoints."""
