"""What cleaning found and did: counts with a few examples each, as frozen records that go to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from penstock.core.errors import BadInput
from penstock.datasets import personal_wide

MAX_EXAMPLES = 20
MOST_SHOWN = 12
_EXAMPLE_CHARS = 160

Part = Literal["train", "test", "feedback"]

KINDS = {
    "empty": "texts that are empty",
    "too-long": "texts that are too long",
    "conflict": "texts with contradicting labels",
    "duplicate": "rows that repeat an earlier one",
    "label-a-row": "rows that add a label to an earlier one",
    "test-in-train": "TRAINING ROWS THAT ARE ALSO TEST ROWS",
    "near-duplicate": "rows that nearly repeat an earlier one",
    "near-conflict": "nearly equal texts with different labels",
    "near-test": "training rows that nearly repeat a test row",
    "unseen-label": "test rows whose label is not in train",
    "untested-class": "labels without a test row",
    "small-class": "labels with fewer than 5 training rows",
    "rare-label": "rows whose label has too few rows",
    "no-label": "rows with none of the labels",
    "alike-label": "LABELS THAT LOOK LIKE ANOTHER",
    "suspect": "labels that look wrong",
    "in-scope": "out-of-scope texts that are labelled rows too",
    "out-of-scope": "texts out of scope, kept apart",
    "personal-email": "rows with e-mail addresses",
    "personal-phone": "rows with phone numbers",
    "personal-id": "rows with Chinese ID numbers",
    "personal-card": "rows with bank card numbers",
    **{f"personal-{kind}": f"rows with {words}" for kind, words in personal_wide.KINDS.items()},
    "split-by": "columns that the rows are split by",
    "group-column": "COLUMNS THAT LOOK LIKE GROUPS OF ROWS",
    "time-column": "COLUMNS THAT LOOK LIKE TIMES",
    # tables
    "leak": "COLUMNS LEFT OUT: THEY PREDICT THE TARGET TOO WELL",
    "leak-kept": "columns kept although they predict the target too well",
    "known-after": "columns known only afterwards",
    "no-input": "columns that are no inputs",
    "zeros": "columns whose zeros look like missing values",
    "markers": "columns whose cells look like missing values",
    "codes": "columns of digits with leading zeros",
    "written-as": "columns whose numbers or dates are written otherwise",
    "no-target": "rows without a target",
    "unseen-category": "values of categories that train lacks",
    "unfit-row": "feedback rows that do not fit the columns",
    "unreadable-row": "ROWS THAT CANNOT BE READ",
    # knowledge
    "ambiguous": "paraphrases that another entry is asked by too",
    "repeated-paraphrase": "paraphrases that repeat another of their entry",
    "replaced": "entries that a newer one stands for",
    "withdrawn": "entries that were withdrawn",
    "withdrawal": "withdrawals",
    "own-question-tested": "test questions that are an entry's own question",
    "expired": "ENTRIES WHOSE LAST DAY IS OVER",
    "single-question": "entries without a paraphrase",
    # images
    "unreadable": "FILES THAT CANNOT BE READ",
    "image-conflict": "images with contradicting labels",
    "blank-image": "images of a single shade",
    "unreadable-image": "corrected images that cannot be read",
    # opinion monitoring
    "rare-entity": "entities that the history names fewer than 5 times",
    # recommendation
    "below-weight": "interactions that weigh too little",
    "program": "interactions of users that look like programs",
    "repeat": "interactions with an item that the user knew",
    "future": "INTERACTIONS IN THE FUTURE",
    "unlisted": "interactions with items that the items file lacks",
    "short-history": "users with too few interactions to be tested",
    "new-user": "test rows of users with too few interactions to go by",
}
"""Each kind of finding, in words, in the order in which the report shows them."""

COLUMN_KINDS = frozenset(
    {"leak", "leak-kept", "known-after", "no-input", "zeros", "markers", "codes", "written-as"}
    | {"split-by", "group-column", "time-column"}
)
"""Findings of columns, not rows. A table names each, not the first alone: a column that is left out silently is missed
too late."""
_TESTED = ("test-in-train", "near-test")
_ALL_MATTER = COLUMN_KINDS | {"alike-label"}
_SAID = frozenset(
    {
        "alike-label",
        "rare-label",
        "no-label",
        "label-a-row",
        "unseen-label",
        "no-target",
        "unreadable",
        "unreadable-row",
        *_TESTED,
        *COLUMN_KINDS - {"known-after"},
    }
)
"""What whoever trains must be told, not only whoever inspects the data."""
_SAID_OF_TEST = frozenset({"unlisted", "new-user"})
"""The same, of what is tested; in train it is usual."""


@dataclass(frozen=True)
class Example:
    """One instance: origin "file.csv:12", its text shortened, its label; other: the row, label or class beside it."""

    origin: str
    text: str
    label: str
    other: str = ""


@dataclass(frozen=True)
class Finding:
    """found: how many (in the unit the kind's words name). dropped: rows removed for it. action: what was done."""

    kind: str
    part: Part
    found: int
    dropped: int
    action: str
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class ClassCount:
    """Rows of a label after cleaning."""

    label: str
    train: int
    test: int


@dataclass(frozen=True)
class Contamination:
    """Training rows that are, or nearly are, test rows. removed: that left train; kept: that a model learns from."""

    removed: int
    kept: int
    rows_test: int

    @property
    def share(self) -> float:
        """Of the test, at most, what training has shown a model already."""
        return min(1.0, self.kept / self.rows_test) if self.rows_test else 0.0


@dataclass(frozen=True)
class CleaningReport:
    """What went in, what came out, and everything found between. read_* - sum of dropped == train + test rows."""

    read_train: int
    read_test: int
    read_feedback: int
    rows_train: int
    rows_test: int
    classes: tuple[ClassCount, ...]
    findings: tuple[Finding, ...]

    @property
    def dropped(self) -> int:
        return sum(finding.dropped for finding in self.findings)

    def found(self, kind: str, part: Part | None = None) -> int:
        """How many of a kind were found, in one part or in all."""
        return sum(f.found for f in self.findings if f.kind == kind and part in (None, f.part))

    def told(self) -> tuple[str, ...]:
        """A sentence each: the findings that change what a figure means or what a label is."""
        said = {"train": _SAID, "test": _SAID | _SAID_OF_TEST, "feedback": frozenset[str]()}
        return tuple(_sentence(finding) for finding in self.findings if finding.kind in said[finding.part])

    @property
    def contamination(self) -> Contamination:
        """What of train was test. A table's equal rows that are few by nature are no copies, and count as neither."""
        removed = sum(
            finding.found
            for finding in self.findings
            if finding.kind in _TESTED and not finding.action.startswith("kept")
        )
        near = [finding for finding in self.findings if finding.kind == "near-test"]
        kept = sum(finding.found - finding.dropped for finding in near if finding.action.startswith("kept"))
        return Contamination(removed, kept, self.rows_test)

    def table(self) -> list[dict[str, str | int]]:
        """Rows of what, rows, done and example, for the command line and the console."""
        order = {kind: place for place, kind in enumerate(KINDS)}
        return [
            {
                "what": f"{KINDS[f.kind]} ({f.part})",
                "rows": f.found,
                "done": f.action,
                "example": "; ".join(map(_shown, f.examples[:MOST_SHOWN])) if f.kind in _ALL_MATTER else _first(f),
            }
            for f in sorted(self.findings, key=lambda f: (order[f.kind], f.part))
        ]

    def to_json(self) -> dict[str, Any]:
        """JSON values only: for the database and the blob store."""
        content = asdict(self)
        content["classes"] = [asdict(each) for each in self.classes]
        content["findings"] = [{**asdict(f), "examples": [asdict(e) for e in f.examples]} for f in self.findings]
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CleaningReport:
        """The inverse of to_json. Raises BadInput when it is not such a report."""
        try:
            findings = tuple(
                Finding(**{**f, "examples": tuple(Example(**e) for e in f["examples"])}) for f in content["findings"]
            )
            classes = tuple(ClassCount(**each) for each in content["classes"])
            return cls(**{**content, "findings": findings, "classes": classes})
        except (KeyError, TypeError) as error:
            raise BadInput(f"is not a cleaning report: {error}") from None


def with_unreadable(
    report: CleaningReport, kind: str, train: Sequence[Example], test: Sequence[Example]
) -> CleaningReport:
    """The report with what could not be read, as rows that were read and dropped. kind: what it is called."""
    parts: tuple[tuple[Part, Sequence[Example]], ...] = (("train", train), ("test", test))
    findings = tuple(
        Finding(kind, part, len(wrong), len(wrong), "left out, as max_unreadable allows", tuple(wrong[:MAX_EXAMPLES]))
        for part, wrong in parts
        if wrong
    )
    read_train, read_test = report.read_train + len(train), report.read_test + len(test)
    return replace(report, read_train=read_train, read_test=read_test, findings=(*findings, *report.findings))


def shortened(text: str) -> str:
    """One line of at most 160 characters."""
    line = " ".join(text[: 4 * _EXAMPLE_CHARS].split())
    return line if len(line) <= _EXAMPLE_CHARS else line[: _EXAMPLE_CHARS - 1] + "…"


def _sentence(finding: Finding) -> str:
    words = KINDS[finding.kind].lower()
    if finding.kind in COLUMN_KINDS:
        named = "; ".join(map(_shown, finding.examples[:MOST_SHOWN]))
        more = f"; and {finding.found - MOST_SHOWN} more" if finding.found > MOST_SHOWN else ""
        return f"{words} ({finding.action}): {named}{more}"
    return f"{words}: {finding.found:,} ({finding.part}; {finding.action}), e.g. {_first(finding)}"


def _first(finding: Finding) -> str:
    return _shown(finding.examples[0]) if finding.examples else ""


def _shown(example: Example) -> str:
    text = example.text if len(example.text) <= 60 else example.text[:59] + "…"
    beside = " / ".join(part for part in (example.label, example.other) if part)
    return f"{example.origin}: {text} [{beside}]" if beside else f"{example.origin}: {text}"
