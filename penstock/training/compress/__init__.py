"""The compressions by name: what makes a model cheaper. Importing this loads no training library."""

from __future__ import annotations

from penstock.training.compress import cascade, distil, int8, prune
from penstock.training.compress.records import Compression, CompressRequest, backbone_of, texts_of

__all__ = ["COMPRESSIONS", "CompressRequest", "Compression", "backbone_of", "texts_of"]

_ALL = (
    Compression("int8.v1", int8.compress, minutes=0.5),
    Compression(prune.NAME, prune.compress, options=prune.OPTIONS, recipe=True, minutes=3.0),
    Compression(distil.NAME, distil.compress, options=distil.OPTIONS, recipe=True, minutes=4.0),
    Compression("cascade.v1", cascade.compress, options=cascade.OPTIONS, models=2, minutes=1.5),
)

COMPRESSIONS: dict[str, Compression] = {each.name: each for each in _ALL}
"""What `penstock compress --by` may name, as `int8` or `int8.v1`."""
