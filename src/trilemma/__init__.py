"""Train, run and honestly compare image generators."""

__version__ = "0.1.0"
