"""The tabular task: everything that only its products need."""
