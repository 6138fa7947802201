"""Rungs that learn from texts, and the training rows they all share."""
