"""Runs every benchmark, one after the other; a JSON line per figure. --nightly: more kills, cuts, faults, restarts."""

from __future__ import annotations

import subprocess
import sys

NIGHTLY = "--nightly" in sys.argv
KILLS = "1000" if NIGHTLY else "300"
ALL = (
    ["benchmarks.command_line"],
    ["benchmarks.text_rungs"],
    ["benchmarks.train_wall"],
    ["benchmarks.ladder"],
    ["benchmarks.pretrain"],
    ["benchmarks.runs"],
    ["benchmarks.demo"],
    ["benchmarks.knowledge"],
    ["benchmarks.recommendation"],
    ["benchmarks.images"],
    ["benchmarks.tabular"],
    ["benchmarks.opinion"],
    *(
        ["benchmarks.closing", "--database", database, "--events", events]
        for database in ("sqlite", "postgres")
        for events in ("100000", "1000000", "5000000")
    ),
    ["benchmarks.neighbours"],
    ["benchmarks.neighbours", "--rung", "frozen-linear.v1"],
    ["benchmarks.neighbours", "--database", "postgres"],
    ["benchmarks.hostile"],
    ["benchmarks.hostile", "--database", "postgres"],
    ["benchmarks.soak", "--database", "sqlite"],
    ["benchmarks.soak", "--database", "postgres"],
    ["benchmarks.scale", "--database", "sqlite"],
    ["benchmarks.scale", "--database", "postgres"],
    ["benchmarks.sealing", "--database", "sqlite"],
    ["benchmarks.sealing", "--database", "postgres"],
    ["benchmarks.backup", "--database", "sqlite"],
    ["benchmarks.backup", "--database", "postgres"],
    ["benchmarks.crash", "--database", "sqlite", "--kills", KILLS],
    ["benchmarks.crash", "--database", "postgres", "--kills", KILLS],
    ["benchmarks.power", "--database", "sqlite"],
    ["benchmarks.power", "--database", "postgres", *(["--cuts", "2000"] if NIGHTLY else [])],
    ["benchmarks.full_disk", "--step", "1" if NIGHTLY else "5"],
    ["benchmarks.restarts", "--minutes", "30" if NIGHTLY else "5"],
)

for words in ALL:
    subprocess.run([sys.executable, "-m", *words], check=True)
