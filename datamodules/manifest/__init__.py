"""The manifest, the one table that every corpus becomes: reading, checking, folds, leakage, splits."""
