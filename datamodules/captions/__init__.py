"""Texts about speech, made from labels and from the manifest's columns."""
