"""Joins the stages into one `penstock` command, reads the options that may stand anywhere, and maps errors to exits."""

from __future__ import annotations

import json
import os
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock import __version__
from penstock.cli import (
    audit,
    backup,
    completion,
    compress,
    data,
    demo,
    improve,
    money,
    operators,
    predict,
    pretrain,
    release,
    run_,
    runs,
    sealing,
    sell,
    start,
    train,
)
from penstock.cli.acting import act_of
from penstock.cli.output import OPTIONS, note, text
from penstock.core.acts import acts_are
from penstock.core.errors import BadInput, GateRefused, PenstockError
from penstock.core.whole import disk_trouble

EPILOG = (
    "Anywhere on the line: --workspace DIR (default: PENSTOCK_WORKSPACE, else the nearest folder from here up with a "
    "penstock.toml), --json (data for programs), --no-input (never ask). "
    "Exits: 0 done, 1 failed, 2 bad usage or input, 3 the gate said no."
)

COMMANDS = "penstock.commands"
"""The entry points that add commands: each a function that is given the Typer of all."""
INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended."""


def build() -> typer.Typer:
    """The command tree."""
    app = typer.Typer(
        name="penstock",
        help="From a labelled file to money in the bank: train, gate, serve, meter, bill, share, improve.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"max_content_width": 120, "help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for stage in (
        start,
        data,
        train,
        compress,
        runs,
        predict,
        release,
        run_,
        sell,
        money,
        audit,
        operators,
        improve,
        pretrain,
        backup,
        sealing,
        demo,
        completion,
    ):
        stage.register(app)
    for point in sorted(entry_points(group=COMMANDS), key=lambda one: one.name):  # those of tasks
        point.load()(app)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        text(f"penstock {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Only so that `penstock --version` is there."""


def run(arguments: list[str]) -> int:
    """Run one command line; answers the exit code."""
    try:
        rest = _take_options(arguments)
        command: Any = typer.main.get_command(build())
        with acts_are(lambda: act_of(command, rest)):
            # typer answers the code of an Exit, and 130 for Ctrl-C
            code = command(args=rest, prog_name="penstock", standalone_mode=False)
        if code == INTERRUPTED:
            note("stopped")
        return code if isinstance(code, int) else 0
    except PenstockError as error:
        return _report(error)
    except (KeyboardInterrupt, typer.Abort):
        note("stopped")
        return INTERRUPTED
    except SystemExit:  # typer's answer to a reader that went away, as `head` does
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if (trouble := disk_trouble(error)) is not None:  # a write that fails names no file
            return _report(trouble)
        if error.filename is None:
            raise
        return _report(PenstockError(f"{error.strerror or error}", where=str(error.filename)))
    except Exception as error:
        if not hasattr(error, "show"):
            raise
        return _report_usage(error)


def _report_usage(error: Any) -> int:
    """A usage error of typer's: it knows how to show itself to people."""
    if not OPTIONS.json:
        error.show()
    else:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "penstock"
        parameter = getattr(error, "param", None)
        where = _name_of(parameter)
        message = error.format_message()
        if context is not None and message == context.get_help():  # a group without a command shows its help
            message = f"{command} needs a command"
        _write_error("usage", message.strip() or f"{where} is missing", where, f"{command} --help")
    return int(getattr(error, "exit_code", 2))


def _found_workspace() -> Path:
    """PENSTOCK_WORKSPACE, else the nearest folder from here upwards with penstock.toml, as git looks; else here."""
    if named := os.environ.get("PENSTOCK_WORKSPACE"):
        return Path(named)
    here = Path.cwd()
    found = next((folder for folder in (here, *here.parents) if (folder / "penstock.toml").is_file()), here)
    return Path() if found == here else found


def _name_of(parameter: Any) -> str | None:
    """A parameter as people type it: --limit, or an argument's name in capitals."""
    if parameter is None:
        return None
    options = [one for one in parameter.opts if one.startswith("-")]
    return str(options[0] if options else parameter.metavar or parameter.name.upper())


def _take_options(arguments: list[str]) -> list[str]:
    OPTIONS.workspace, OPTIONS.json, OPTIONS.no_input = _found_workspace(), False, False
    rest: list[str] = []
    it = iter(arguments)
    for word in it:
        if word == "--json":
            OPTIONS.json = True
        elif word == "--no-input":
            OPTIONS.no_input = True
        elif word in ("--workspace", "-C"):
            folder = next(it, None)
            if folder is None:
                raise BadInput(f"{word} needs a folder")
            OPTIONS.workspace = Path(folder)
        elif word.startswith("--workspace="):
            OPTIONS.workspace = Path(word.partition("=")[2])
        else:
            rest.append(word)
    return rest


def _report(error: PenstockError) -> int:
    if OPTIONS.json:
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
        _write_error("failed" if type(error) is PenstockError else code, error.message, error.where, error.hint)
    else:
        note(f"penstock: {error}")
    if isinstance(error, GateRefused):
        return 3
    return 2 if isinstance(error, BadInput) else 1


def _write_error(code: str, message: str, where: str | None, hint: str | None) -> None:
    facts = {"code": code, "message": message, "where": where, "hint": hint}
    sys.stderr.write(json.dumps({"error": facts}, ensure_ascii=False) + "\n")
