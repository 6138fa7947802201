"""Candidates, signed decisions, numbered releases and how to go back: what may serve, and why."""
