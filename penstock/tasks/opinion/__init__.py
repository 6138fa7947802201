"""The opinion task: everything that only its products need."""
