"""The recommendation task: everything that only its products need."""
