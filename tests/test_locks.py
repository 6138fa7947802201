"""The locked files: every version of constraints.txt with its hashes, and of these what a server needs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def locked(name: str) -> dict[str, set[str]]:
    """Pin -> its hashes. Every line is one or the other, and no pin is without a hash or there twice."""
    found: dict[str, set[str]] = {}
    pin = ""
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        text = line.removesuffix(" \\")
        if line.startswith("    "):
            assert HASH.fullmatch(text.strip()), line
            assert text.strip() not in found[pin], line
            found[pin].add(text.strip())
        else:
            pin = plain(text)
            assert pin not in found, line
            found[pin] = set()
    assert all(found.values())
    return found


def plain(line: str) -> str:
    """A pin as every installer reads it: names in lower case, joined by hyphens."""
    found = PIN.fullmatch(line)
    assert found is not None, line
    return f"{re.sub(r'[-_.]+', '-', found[1]).lower()}=={found[2]}"


def test_the_locked_file_covers_the_constraints_and_nothing_else() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert len(pins) > 200 and len(set(pins)) == len(pins)
    assert locked("constraints.lock").keys() == {plain(pin) for pin in pins}, "run: make lock"


def test_what_a_server_needs_is_part_of_it_with_the_same_hashes() -> None:
    everything, served = locked("constraints.lock"), locked("serve.lock")
    assert {one.partition("==")[0] for one in served} >= {"numpy", "onnxruntime", "psycopg-binary", "uvicorn"}
    assert {one.partition("==")[0] for one in served} & {"torch", "ray", "pytest"} == set()
    assert {pin: everything.get(pin) for pin in served} == served, "run: make lock"
