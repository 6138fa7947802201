"""The text task: everything that only its products need."""
