"""The results of a chain as tables, plots and one HTML page."""
