"""What can be wrong with what a stage is given."""


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, damaged, of another stage, or does not fit. Commands end with exit code 4."""

    exit_code = 4
