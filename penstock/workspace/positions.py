"""Finds the line of each key of a TOML text. Knows TOML's shape, not its values: tomllib has already accepted them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

Path = tuple[str | int, ...]
"""The way to a value: table and key names, and the index of an array's item."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\])*"'),
    re.compile(r"'[^']*'"),
)


def positions(text: str) -> dict[Path, int]:
    """The 1-based line where each key path of a valid TOML text first appears."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest part around it that is written down; 1 when none is."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1


def dotted(path: Path) -> str:
    """The path as people write it: products.helpdesk.price.tiers[0].unit_price."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Scanner:
    """A cursor over the text that notes where each path begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._items: dict[Path, int] = {}
        self._line, self._counted = 1, 0

    def document(self) -> None:
        table: Path = ()
        self._skip(_FILLER)
        while self.at < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self._header(2, repeated=True)
            elif self.text[self.at] == "[":
                table = self._header(1, repeated=False)
            else:
                self._pair(table)
            self._skip(_FILLER)

    def _header(self, brackets: int, *, repeated: bool) -> Path:
        line = self._here()
        self.at += brackets
        path = self._inside_last_items(self._key())
        self._note(path, line)
        if repeated:
            self._items[path] = self._items.get(path, -1) + 1
            path = (*path, self._items[path])
            self._note(path, line)
        self._skip(_BLANK)
        self.at += brackets
        return path

    def _inside_last_items(self, keys: Path) -> Path:
        """[a.b] after [[a]] speaks of the last a."""
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._items:
                path = (*path, self._items[path])
        return (*path, keys[-1])

    def _pair(self, table: Path) -> None:
        line = self._here()
        key = self._key()
        for end in range(1, len(key) + 1):
            self._note(table + key[:end], line)
        self._skip(_BLANK)
        self.at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(table + key)

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            parts.append(self._key_part())
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _key_part(self) -> str:
        quote = self.text[self.at]
        if quote not in "\"'":
            return self._skip(_BARE)
        quoted = self._skip(_STRINGS[2 if quote == '"' else 3])
        if quote == "'":
            return quoted[1:-1]
        try:
            return str(json.loads(quoted))  # basic strings escape as JSON does, but for \U and \e
        except ValueError:
            return quoted[1:-1]

    def _value(self, path: Path) -> None:
        first = self.text[self.at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        elif first in "\"'":
            self._string()
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        self._skip(_FILLER)
        while self.text[self.at] != "]":
            self._note((*path, index), self._here())
            self._value((*path, index))
            self._separator()
            index += 1
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        self._skip(_FILLER)
        while self.text[self.at] != "}":
            self._pair(path)
            self._separator()
        self.at += 1

    def _separator(self) -> None:
        self._skip(_FILLER)
        if self.text[self.at] == ",":
            self.at += 1
            self._skip(_FILLER)

    def _string(self) -> None:
        for pattern in _STRINGS:
            if pattern.match(self.text, self.at):
                self._skip(pattern)
                return

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def _note(self, path: Path, line: int) -> None:
        self.lines.setdefault(path, line)

    def _here(self) -> int:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line
