"""Limits that ratchet: functions of at most 60 lines, files of at most 400. Exceptions are listed and may only shrink.

Run by `make check`. It fails when it examined nothing, when a limit is passed, when a listed exception
grew, and when an exception is no longer needed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FUNCTION_LINES = 60
FILE_LINES = 400
EXCEPTIONS: dict[str, int] = {}  # "path" or "path:function" -> the lines it has today


def main() -> int:
    root = Path(__file__).parent.parent
    files = sorted(f for f in (root / "penstock").rglob("*.py") if "versions" not in f.parts)  # migrations are frozen
    sizes: dict[str, int] = {}
    for file in files:
        for name, lines in measure(file, root):
            sizes[name] = max(lines, sizes.get(name, 0))  # of functions with one name in a file, the longest
    if len(sizes) < 100:
        print(f"tidy: examined only {len(sizes)} things; the check is looking in the wrong place")
        return 1
    problems = [problem for name, lines in sizes.items() if (problem := judge(name, lines))]
    problems += [f"{name}: listed, but no longer there" for name in EXCEPTIONS if name not in sizes]
    for problem in problems:
        print(f"tidy: {problem}")
    print(f"tidy: {len(files)} files, {len(sizes) - len(files)} functions, {len(problems)} problems")
    return 1 if problems else 0


def judge(name: str, lines: int) -> str | None:
    limit = FUNCTION_LINES if ":" in name else FILE_LINES
    listed = EXCEPTIONS.get(name)
    if listed is None:
        return f"{name}: {lines} lines, the limit is {limit}" if lines > limit else None
    if lines > listed:
        return f"{name}: {lines} lines, it had {listed}: exceptions only shrink"
    if lines <= limit:
        return f"{name}: {lines} lines, take it off the list of exceptions"
    return f"{name}: {lines} lines, lower its exception from {listed}" if lines < listed else None


def measure(file: Path, root: Path) -> Iterator[tuple[str, int]]:
    text = file.read_text(encoding="utf-8")
    name = str(file.relative_to(root))
    yield name, text.count("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


if __name__ == "__main__":
    sys.exit(main())
