"""Penstock leads a small AI company from a labelled file to money in the bank."""

__version__ = "0.1.0"
