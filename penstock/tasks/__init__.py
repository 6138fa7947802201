"""What products do: one folder per task, none of which imports another. They are found by their entry points."""
