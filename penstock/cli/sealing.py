"""The keys that seal customers' data at rest: what each seals, a new one, and the end of an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.asking import Yes, confirmed
from penstock.cli.output import OPTIONS, note, show, shown_progress

if TYPE_CHECKING:
    from penstock.pipeline.sealing import KeyUse

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="A key's id, as `penstock sealing show` tells.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The keys that seal answers, feedback and blobs at rest.", no_args_is_help=True)
    group.command("show")(show_keys)
    group.command("rotate")(rotate_key)
    group.command("reseal")(reseal_values)
    group.command("retire")(retire_key)
    group.command("lose")(lose_key)
    app.add_typer(group, name="sealing")


def show_keys() -> None:
    """The keys there are and were, since when, and how many values each still seals."""
    from penstock.pipeline.sealing import key_uses
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    found = key_uses(house)
    show([{**vars(one), "values": one.total} for one in found], rows=[_row(one) for one in found])
    note(f"keyring: {house.keys.file}")
    for one in found:
        if not one.there and one.state in ("active", "kept", "unknown"):
            note(f"the keyring lacks key {one.id}: nothing can be served; see docs/how-to/seal-data.md")
    if any(one.id == "" for one in found):
        note("some values are from before there were keys: seal them with penstock sealing reseal")


def rotate_key() -> None:
    """Make a new key, seal new values with it at once, then the old ones, while others serve. Interrupted: `reseal`."""
    from penstock.pipeline.sealing import rotate
    from penstock.runtime.house import open_house

    with shown_progress() as progress:
        done = rotate(open_house(OPTIONS.workspace), progress)
    show(done)
    note("back up the new key: penstock backup. The old one can be retired: penstock sealing show")


def reseal_values() -> None:
    """Seal with the present key what is under an older one, or from before there were keys. It goes on after a kill."""
    from penstock.pipeline.sealing import reseal
    from penstock.runtime.house import open_house

    with shown_progress() as progress:
        show(reseal(open_house(OPTIONS.workspace), progress))


def retire_key(key: KeyId) -> None:
    """Take a key out of the keyring; refused while anything is sealed by it."""
    from penstock.pipeline.sealing import retire
    from penstock.runtime.house import open_house

    retire(open_house(OPTIONS.workspace), key)
    note(f"retired {key}: only backups made before still hold it, and need it")


def lose_key(key: KeyId, yes: Yes = False) -> None:
    """Give up a key that is lost: delete what only it could open, so that the rest is served again."""
    from penstock.pipeline.sealing import key_uses, lose
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    sealed = sum(one.total for one in key_uses(house) if one.id == key)
    confirmed(f"delete {sealed:,} values and blobs that only {key} could open?", yes=yes)
    show({"key": key, "rows_and_blobs": lose(house, key)})
    note("blobs that went: train the products again, or restore a backup")


def _row(one: KeyUse) -> dict[str, Any]:
    return {
        "key": one.id or "(none: plain)",
        "state": one.state,
        "made": one.made_at,
        "ended": one.ended_at,
        "in the keyring": "" if not one.id else "yes" if one.there else "no",
        "seals": ", ".join(f"{many:,} {what.replace('_', ' ')}" for what, many in one.sealed.items()) or "nothing",
    }
