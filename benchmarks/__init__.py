"""What our ways of doing things cost, each against the usual one: ``python -m benchmarks``."""
