"""What happens around a stage: files, signals, guards. Nothing here knows a model."""
