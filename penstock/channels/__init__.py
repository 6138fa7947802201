"""Who brings customers, and what they earn for it."""
