"""Reading and cleaning rows of the tabular task."""
