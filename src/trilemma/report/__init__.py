"""Scores -> tables, plots and one page."""
