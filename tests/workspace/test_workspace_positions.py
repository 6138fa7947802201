"""The scanner agrees with tomllib about which keys a file has, and knows where each is written."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.workspace.positions import Path, dotted, positions

EVERY_SHAPE = '''
# a comment with a [table] = in it
title = "a # no comment, no = sign" # but this is
"quoted.key" = 'literal \\'
a.b . c = 1

[one."two three"] # header
text = """
many
lines = [1]
"""
raw = \'\'\'
x = { \'\'\'
list = [
  1, # one
  "]", [2, 3],
  { deep = { er = true } },
]
time = 2026-11-15T08:00:00Z

[[shelf]]
name = "first"
[shelf.box]
size = 1
[[shelf]]
name = "second"
[[shelf.book]]
pages = 7
'''


def paths_of(value: Any, path: Path = ()) -> set[Path]:
    found = {path} if path else set()
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found |= paths_of(child, (*path, key))
    return found


def test_every_key_of_every_shape_is_found_on_its_line() -> None:
    lines = positions(EVERY_SHAPE)
    assert paths_of(tomllib.loads(EVERY_SHAPE)) <= set(lines) | {("one",)}
    texts = EVERY_SHAPE.split("\n")
    for path, start in {
        ("quoted.key",): '"quoted.key"',
        ("a", "b", "c"): "a.b . c",
        ("one", "two three", "raw"): "raw =",
        ("one", "two three", "list", 1): '"]"',
        ("one", "two three", "list", 3, "deep", "er"): "{ deep",
        ("shelf", 0, "box", "size"): "size",
        ("shelf", 1, "name"): 'name = "second"',
        ("shelf", 1, "book", 0, "pages"): "pages",
    }.items():
        assert texts[lines[path] - 1].strip().startswith(start), path


KEYS = st.text("abcz_-", min_size=1, max_size=4)
VALUES = st.recursive(
    st.one_of(st.integers(-99, 99).map(str), st.sampled_from(['"x = [1] # {"', "'}'", '"\\""', "true", "1.5", '""'])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ",\n  ".join(items) + "]"),
        st.dictionaries(KEYS, inner, max_size=3).map(
            lambda table: "{ " + ", ".join(f"{key} = {value}" for key, value in table.items()) + " }"
        ),
    ),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=4))
def test_the_scanner_finds_exactly_the_keys_that_toml_has(tables: dict[str, dict[str, str]]) -> None:
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {value} # note\n" for key, value in table.items())
        for name, table in tables.items()
    )
    assert set(positions(text)) == paths_of(tomllib.loads(text))


@pytest.mark.parametrize(("path", "text"), [(("a", "b"), "a.b"), (("a", 0, "b", 1), "a[0].b[1]"), ((), "")])
def test_paths_read_as_people_write_them(path: Path, text: str) -> None:
    assert dotted(path) == text
