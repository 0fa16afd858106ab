"""Networks: plain torch modules that take sizes and other modules."""
