"""Readers, cleaning, splits and versions: from a labelled file to immutable rows that a model may learn from."""
