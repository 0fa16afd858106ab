"""Stages: LightningModules, with a YAML file for each system beside them."""
