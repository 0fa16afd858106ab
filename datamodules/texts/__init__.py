"""Texts and prompts as batches."""
