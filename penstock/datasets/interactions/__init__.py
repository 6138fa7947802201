"""Who did what with which item, and when: reading, cleaning and the split by time. Knows no models."""
