"""The knowledge task: everything that only its products need."""
