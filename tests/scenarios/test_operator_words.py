"""What the operator is told when things change under a live release."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.conftest import Penstock, edit


def test_changes_around_a_live_release_are_said(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    assert penstock("train", "router").code == 0
    assert penstock("release", "router").code == 0
    nothing_new = penstock("release", "router")
    assert nothing_new.code == 1 and "released already" in nothing_new.err

    penstock("customer", "add", "Maple", "--email", "it@maple.example.com")
    penstock("customer", "limit", "Maple", "router", "300")
    assert penstock("customer", "limits", "Maple", "--json").json() == [{"product": "router", "units_per_month": 300}]

    edit(folder, 'unit_price = "0.10"', 'unit_price = "0.20"')
    assert "products.router.price v2: in force for everyone from" in penstock("apply").err

    live = penstock("releases", "router", "--json").json()[0]
    blob = folder / ".penstock" / "blobs" / live["artifact"][:2] / live["artifact"]
    kept = blob.read_bytes()
    blob.write_bytes(b"damaged")
    sick = penstock("doctor")
    assert sick.code == 1 and "router/1" in sick.out and "hash" in sick.out
    blob.write_bytes(kept)
    assert penstock("doctor").code == 0

    edit(folder, "[products.router]", "[products.renamed]")
    edit(folder, "[products.router.price]", "[products.renamed.price]")
    edit(folder, "includes = { router = 5 }", "includes = { renamed = 5 }")
    assert "router is no longer in penstock.toml, but its release 1 is live" in penstock("apply").err


def test_a_gate_that_says_no_exits_with_3_and_tells_what_fell_short(folder: Path, penstock: Penstock) -> None:
    edit(folder, 'accuracy = ">= 0.60"', 'gross_margin = ">= 1.00", accuracy = ">= 0.60"')
    penstock("apply")
    answer = penstock("train", "router")
    assert answer.code == 3
    assert "gross_margin" in answer.err and "penstock report" in answer.err
    assert penstock("release", "router").code == 3
    assert penstock("releases", "router", "--json").json() == []
