"""The images task: everything that only its products need."""
