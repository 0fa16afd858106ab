"""Command lines and YAML files: reading them, what they may name, and the wording of their errors."""
