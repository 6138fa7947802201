"""Reading and cleaning rows of the images task."""
