"""Money, ids, clock, errors, hashing: the words every other package uses."""
