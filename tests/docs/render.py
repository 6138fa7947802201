"""Writes the reference from the program: `python tests/docs/render.py`. Tests compare the two.

docs/reference/cli.md from the command tree; in docs/reference/http.md the table of the operator's routes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from penstock.cli.root import EPILOG, build

TARGET = Path(__file__).parent.parent.parent / "docs" / "reference" / "cli.md"

JSON = "What `--json` prints, key by key: [json.md](json.md)."


def render() -> str:
    """The whole page."""
    return (
        "\n".join(["# Command line", "", EPILOG, "", JSON, "", *_lines(typer.main.get_command(build()), "penstock")])
        + "\n"
    )


def _lines(command: object, name: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is not None:
        if name != "penstock":
            yield from (f"## {name}", "", str(getattr(command, "help", "")), "")
        for word, child in children.items():
            yield from _lines(child, f"{name} {word}")
        return
    heading = "###" if name.count(" ") > 1 else "##"
    yield from (f"{heading} {name}", "", str(getattr(command, "help", "")), "")
    parameters = [p for p in getattr(command, "params", []) if p.name != "help" and not getattr(p, "hidden", False)]
    if parameters:
        yield from ("| argument | meaning | default |", "|---|---|---|")
        yield from (_row(parameter) for parameter in parameters)
        yield ""


def _row(parameter: object) -> str:
    names = getattr(parameter, "opts", [])
    secondary = getattr(parameter, "secondary_opts", [])
    option = names[0].startswith("-")
    shown = " / ".join([*names, *secondary]) if option else (getattr(parameter, "metavar", None) or names[0].upper())
    default = getattr(parameter, "default", None)
    required = "required" if getattr(parameter, "required", False) else "" if default in (None, "", False) else default
    return f"| `{shown}` | {getattr(parameter, 'help', None) or ''} | {required} |"


if __name__ == "__main__":
    import admin_verbs  # type: ignore[import-not-found,unused-ignore]  # beside this file

    page = admin_verbs.TARGET.read_text(encoding="utf-8")
    admin_verbs.TARGET.write_text(admin_verbs.with_table(page), encoding="utf-8")
    TARGET.write_text(render(), encoding="utf-8")
