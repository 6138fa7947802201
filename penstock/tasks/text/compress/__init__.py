"""Ways to make a text classifier cheaper, by name. Importing this loads no training library."""

from __future__ import annotations

from penstock.tasks.text.compress import cascade, distil, int8, prune
from penstock.training.compress.records import Compression

COMPRESSIONS = (
    Compression("int8.v1", int8.compress, minutes=0.5, reads_rows=False),
    Compression(prune.NAME, prune.compress, options=prune.OPTIONS, recipe=True, minutes=3.0),
    Compression(distil.NAME, distil.compress, options=distil.OPTIONS, recipe=True, minutes=4.0),
    Compression("cascade.v1", cascade.compress, options=cascade.OPTIONS, models=2, minutes=1.5),
)
