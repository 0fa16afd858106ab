"""What frozen encoders made of fixed inputs, computed once and kept on disk."""
