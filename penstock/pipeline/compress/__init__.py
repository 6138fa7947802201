"""Candidates made cheaper, judged like any other."""
