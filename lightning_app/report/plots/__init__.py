"""Plots of a report, each an SVG."""
