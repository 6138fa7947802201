"""Reading and cleaning rows of the knowledge task."""
