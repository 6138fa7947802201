"""The plan of changes: what `penstock apply` shows before anything is published."""

import json
from pathlib import Path

import pytest

from penstock import installed
from penstock.workspace.create import init_workspace
from penstock.workspace.loader import load
from penstock.workspace.plan import Change, lines, plan
from penstock.workspace.records import Workspace, dump


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    task = installed.get("text-classification")
    return init_workspace(tmp_path / "shop", task=task.name, section=task.section, unit=task.unit, name="helpdesk")


def edited(workspace: Workspace, *edits: tuple[str, str]) -> Workspace:
    file = workspace.folder / "penstock.toml"
    text = file.read_text()
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text)
    return load(workspace.folder)


def test_at_first_everything_is_added_once(workspace: Workspace) -> None:
    changes = plan(None, workspace)
    assert {change.kind for change in changes} == {"add"}
    keys = [change.key for change in changes]
    assert {"company", "backbones.english", "products.helpdesk", "plans.starter", "agreements.referral"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_an_applied_workspace_has_nothing_to_change(workspace: Workspace) -> None:
    applied = json.loads(json.dumps(dump(workspace)))
    assert plan(applied, workspace) == ()
    assert lines(()) == ["nothing to change: all of penstock.toml is applied"]


def test_a_workspace_that_moved_has_nothing_to_change(workspace: Workspace, tmp_path: Path) -> None:
    applied = dump(workspace)
    moved = workspace.folder.rename(tmp_path / "elsewhere")
    assert plan(applied, load(moved)) == ()


def test_a_new_price_reads_as_old_and_new_tiers(workspace: Workspace) -> None:
    applied = dump(workspace)
    (change,) = plan(applied, edited(workspace, ('{ unit_price = "0.0020" }', '{ unit_price = "0.0010" }')))
    assert (change.kind, change.key) == ("change", "products.helpdesk.price")
    assert str(change) == (
        "~ products.helpdesk.price: 0.0040 up to 10000, then 0.0020 per prediction"
        " -> 0.0040 up to 10000, then 0.0010 per prediction"
    )


def test_gate_share_and_fee_read_as_they_are_written(workspace: Workspace) -> None:
    applied = dump(workspace)
    changed = edited(workspace, (">= 0.80", ">= 0.90"), ('share = "20%"', 'share = "25%"'), ('"49.00"', '"59.00"'))
    assert lines(plan(applied, changed)) == [
        "~ products.helpdesk.gate: accuracy >= 0.8, latency_p95_ms <= 50, gross_margin >= 0.7"
        " -> accuracy >= 0.9, latency_p95_ms <= 50, gross_margin >= 0.7",
        "~ plans.starter.monthly: 49.00 -> 59.00",
        "~ agreements.referral.share: 20% -> 25%",
        "0 to add, 3 to change, 0 to remove",
    ]


def test_a_renamed_plan_is_one_added_and_one_removed(workspace: Workspace) -> None:
    applied = dump(workspace)
    kinds = {c.key: c.kind for c in plan(applied, edited(workspace, ("[plans.starter]", "[plans.team]")))}
    assert kinds == {"plans.team": "add", "plans.starter": "remove"}


def test_a_database_password_never_shows(workspace: Workspace) -> None:
    applied = dump(workspace)
    storage = '[storage]\ndatabase = "postgresql://penstock:geheim@db/penstock"\n[costs] '
    changes = plan(applied, edited(workspace, ("[costs]", storage)))
    assert "geheim" not in repr(changes)
    assert changes == (Change("change", "storage.database", "", "postgresql://penstock:***@db/penstock"),)


def test_a_section_of_which_nothing_is_said_leaves_no_word(workspace: Workspace) -> None:
    (company,) = [line for line in lines(plan(None, workspace)) if line.startswith("+ company")]
    assert company.endswith("payment_days 14")


def test_a_setting_that_is_new_to_penstock_and_empty_is_no_change(workspace: Workspace) -> None:
    applied = json.loads(json.dumps(dump(workspace)))
    del applied["gateway"]["proxies"], applied["gateway"]["tls"]
    assert plan(applied, workspace) == ()


def test_tls_and_proxies_read_as_they_are_written(workspace: Workspace) -> None:
    with (workspace.folder / "penstock.toml").open("a") as file:
        file.write(
            '\n[office]\ntls = { certificate = "a.pem", key = "a.key" }\nproxies = ["127.0.0.1", "10.0.0.0/8"]\n'
        )
    changes = plan(json.loads(json.dumps(dump(workspace))), load(workspace.folder))
    assert lines(changes)[:2] == [
        "~ office.tls: (none) -> certificate a.pem, key a.key",
        "~ office.proxies: (none) -> 127.0.0.1, 10.0.0.0/8",
    ]
