"""The demo: one story from labelled files to money in the bank, through the ordinary packages, over real HTTP."""
