"""The stages: each a LightningModule, with a YAML file beside it for each system."""
