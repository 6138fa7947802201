"""Money, ids, clock, errors, hashing: the words every other room uses."""
