"""A task for Penstock: which language a text is written in."""
