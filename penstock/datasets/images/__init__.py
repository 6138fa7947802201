"""Labelled images: reading, decoding within limits, cleaning and splitting. Nothing here knows a model."""
