"""Tables of mixed columns: reading, typing, cleaning, the split, and the leak sentinel. Knows no models."""
