"""Reading and cleaning rows of the text task."""
