"""Clips of a manifest as batches: dataset, collation, sampler, data module."""
