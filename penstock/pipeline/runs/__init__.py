"""Runs, candidates and reports for people: listed, compared, drawn, exported."""
