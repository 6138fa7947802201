"""Looks at a data file nobody prepared: its columns, which of them a task needs, whether a header is there, the script
of its texts. Guesses by names first, then by what the cells hold; it changes nothing."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets.compare import normalise
from penstock.datasets.lines import decoded_lines, opened
from penstock.datasets.objects import columns_in, read_objects

LOOKED_AT = 500
SEPARATORS = ("|", ";", ",", "；", "、", "，")  # that may stand between several labels, the surest first
LEAST_SEVERAL = 0.02  # of the cells hold more than one label
LEAST_RECURRING = 0.8  # of the parts stand in other cells too
DELIMITERS = (",", "\t", ";", "|")
NAMES: Mapping[str, tuple[str, ...]] = {
    "text": (
        *("text", "message", "sentence", "utterance", "query", "question", "content", "review", "comment", "body"),
        *("description", "title", "tweet", "input", "document", "feedback", "request", "ticket", "email"),
        *("内容", "文本", "评论", "正文", "问题", "句子", "消息", "留言", "描述", "標題", "內容", "標籤文本", "标题"),
    ),
    "label": (
        *("label", "intent", "category", "class", "target", "topic", "sentiment", "tag", "labels", "type", "polarity"),
        *("emotion", "output", "answer", "y", "cat", "queue", "department"),
        *("tags", "categories", "topics", "intents", "emotions"),
        *("标签", "类别", "分类", "意图", "情感", "標籤", "類別", "分類", "类型", "主题", "标注"),
    ),
    "question": ("question", "query", "title", "q", "问题", "问", "標題", "标题", "提问"),
    "answer": ("answer", "reply", "response", "a", "body", "答案", "回答", "答", "回复", "内容"),
    "user": ("user", "user_id", "userid", "customer", "customer_id", "member", "reader", "用户", "用户id", "客户"),
    "item": ("item", "item_id", "itemid", "product", "product_id", "sku", "book", "movie", "movieid", "商品", "物品"),
    "time": ("time", "timestamp", "date", "datetime", "at", "when", "时间", "日期"),
    "target": (
        *("target", "label", "class", "y", "outcome", "churn", "default", "risk", "survived", "price", "result"),
        *("目标", "标签", "类别", "结果", "風險", "风险", "是否流失"),
    ),
}
"""What files call each field, the likeliest first; compared without case, blanks, "_" and "-"."""


@dataclass(frozen=True)
class Head:
    """The beginning of a file. columns: names in its first row. rows: at most 500, by column. delimiter: of text."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    delimiter: str = ","

    def cells(self, column: str) -> list[str]:
        """The column's cells as text, without the empty ones."""
        found = (row.get(column) for row in self.rows)
        return [str(cell).strip() for cell in found if cell is not None and str(cell).strip()]


def head_of(path: Path) -> Head:
    """The file's beginning. Raises BadInput where it cannot be read as what its name says."""
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind in (".csv", ".tsv", ".txt"):
        return _of_text(path)
    rows = [values for _, values in islice(_values(path, kind), LOOKED_AT)]
    return Head(tuple(columns_in(list(rows))), tuple(rows))


def _values(path: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if kind in (".xlsx", ".json"):
        yield from read_objects(path)
    elif kind in (".jsonl", ".ndjson"):
        for number, line in enumerate(decoded_lines(path), 1):
            try:
                value = json.loads(line) if line.strip() else None
            except (ValueError, RecursionError):
                raise BadInput("is not JSON", where=f"{path.name}:{number}", hint="one object a line") from None
            if isinstance(value, dict):
                yield f"{path.name}:{number}", value
    elif kind == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with opened(path) as stream:
                for batch in parquet.ParquetFile(stream).iter_batches(batch_size=LOOKED_AT):
                    yield from ((f"{path.name}:{number}", row) for number, row in enumerate(batch.to_pylist(), 1))
        except (pa.ArrowException, OSError):
            raise BadInput("is not a parquet file that can be read", where=path.name) from None


def _of_text(path: Path) -> Head:
    lines = list(islice(decoded_lines(path), 4 * LOOKED_AT))
    if not lines:
        raise BadInput("the file is empty", where=path.name, hint="the first line names the columns: text,label")
    delimiter = max(DELIMITERS, key=lambda mark: (_agreement(lines, mark), -DELIMITERS.index(mark)))
    records = [record for record in _records(lines, delimiter) if any(field.strip() for field in record)]
    header = tuple(name.strip() for name in records[0]) if records else ()
    rows = [dict(zip(header, record, strict=True)) for record in records[1:] if len(record) == len(header)]
    return Head(header, tuple(rows[:LOOKED_AT]), delimiter)


def _agreement(lines: Sequence[str], delimiter: str) -> float:
    """The share of records that are as wide as the first; 0 where that has one field."""
    records = list(_records(lines[:200], delimiter))
    width = len(records[0]) if records else 0
    return sum(len(record) == width for record in records) / len(records) if width > 1 else 0.0


def _records(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(iter(lines), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except (StopIteration, csv.Error):
            return


def by_name(head: Head, fields: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """The column of each field that a name tells: as given, else the likeliest; a column serves one field only.

    Raises BadInput, listing all columns, for a given one that is not there.
    """
    for field, column in given.items():
        if column not in head.columns:
            hint = f"the columns are: {', '.join(map(repr, head.columns))}"
            raise BadInput(f"no column {column!r}", where=f"--{field}-column", hint=hint)
    folded = {_fold(column): column for column in reversed(head.columns)}
    found = dict(given)
    for field in fields:
        free = {fold: column for fold, column in folded.items() if column not in found.values()}
        name = next((name for name in NAMES[field] if _fold(name) in free), None)
        if field not in found and name is not None:
            found[field] = free[_fold(name)]
    return found


def by_content(head: Head, found: Mapping[str, str]) -> dict[str, str]:
    """The columns of `text` and `label`, where cells tell: texts are long and differ, labels are short and recur."""
    rest = [column for column in head.columns if column not in found.values()]
    cells = {column: head.cells(column) for column in rest}
    made = dict(found)
    texts = [c for c in rest if _distinct(cells[c]) > 0.5 and _length(cells[c]) >= 4 and not _numeric(cells[c])]
    if "text" not in made and texts:
        made["text"] = max(texts, key=lambda column: _length(cells[column]))
    labels = [c for c in rest if c != made.get("text") and _distinct(cells[c]) <= 0.5 and _length(cells[c]) <= 40]
    labels = [column for column in labels if len(set(cells[column])) > 1]
    if "label" not in made and len(labels) == 1:
        made["label"] = labels[0]
    return made


def separator_in(values: Sequence[Any]) -> str | None:
    """The sign that stands between several labels in cells of a column, "|" where they are lists; None where a cell
    looks like one label. Parts of a list of labels recur in other lists; the parts of one label's name do not."""
    if any(isinstance(value, list) or list_in(value) is not None for value in values):
        return SEPARATORS[0]
    cells = [str(value) for value in values if value is not None]
    for sign in SEPARATORS:
        lists = {cell: [part.strip() for part in cell.split(sign) if part.strip()] for cell in cells}
        several = [parts for parts in lists.values() if len(parts) > 1]
        counts = Counter(part for parts in lists.values() for part in set(parts))
        recurring = sum(counts[part] > 1 for parts in several for part in parts)
        shown = sum(len(lists[cell]) > 1 for cell in cells)
        if (
            len(several) > 1
            and shown >= LEAST_SEVERAL * len(cells)
            and recurring >= LEAST_RECURRING * sum(map(len, several))
        ):
            return sign
    return None


def list_in(value: object) -> list[Any] | None:
    """The list that a text is in JSON, as `data convert` writes one into a csv cell; None for any other value."""
    if not (isinstance(value, str) and value.strip().startswith("[") and value.strip().endswith("]")):
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def without_header(head: Head) -> tuple[int, int] | None:
    """(place of the text, of the label) of a file whose first row is data: its label occurs in the rows below."""
    if len(set(head.columns)) != len(head.columns):
        return None
    found = by_content(head, {})
    if found.keys() != {"text", "label"} or found["label"] not in head.cells(found["label"]):
        return None
    return head.columns.index(found["text"]), head.columns.index(found["label"])


def _fold(name: str) -> str:
    return "".join(sign for sign in normalise(name) if sign not in " _-\ufeff")


def _distinct(cells: Sequence[str]) -> float:
    return len(set(cells)) / len(cells) if cells else 0.0


def _length(cells: Sequence[str]) -> float:
    return sum(map(len, cells)) / len(cells) if cells else 0.0


def _numeric(cells: Sequence[str]) -> bool:
    return all(cell.replace(".", "", 1).replace("-", "").isdigit() for cell in cells)


def share_by_script(texts: Sequence[str]) -> dict[str, float]:
    """The share of the texts' letters by script, the most frequent first: "latin", "han", "kana", "hangul", "other"."""
    counts: dict[str, int] = {}
    for text in texts:
        for sign in text[:400]:
            if sign.isalpha():
                script = "latin" if sign < "\u0250" else _script(sign)
                counts[script] = counts.get(script, 0) + 1
    total = sum(counts.values()) or 1
    return {script: count / total for script, count in sorted(counts.items(), key=lambda pair: -pair[1])}


def _script(sign: str) -> str:
    name = unicodedata.name(sign, "")
    scripts = {"CJK": "han", "HIRAGANA": "kana", "KATAKANA": "kana", "HANGUL": "hangul", "LATIN": "latin"}
    first = name.split(" ")[0]
    return "latin" if first == "FULLWIDTH" else scripts.get(first, "other")
