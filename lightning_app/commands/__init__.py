"""The verbs of ``lightning-cli``: a module each."""
