"""A chain file, its matrix of runs, and one process per stage: here, under torchrun, or on SLURM."""
