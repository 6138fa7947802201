"""Reading and cleaning rows of the recommendation task."""
