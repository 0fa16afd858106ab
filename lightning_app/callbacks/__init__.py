"""Callbacks of the trainer: files of the run folder, signals, guards. None of them knows a model."""
