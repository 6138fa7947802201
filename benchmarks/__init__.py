"""Reproducible measurements. `python -m benchmarks` (or `make bench`) runs them all; each file also runs alone."""
