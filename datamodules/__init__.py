"""From disk to batch."""
