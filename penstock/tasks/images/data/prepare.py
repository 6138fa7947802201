"""From a product's images to rows fit for training: read, compared by their pixels, split by their content.

The steps, in order: contradictions, repeats, the split, leaks, labels without rows, feedback. Two images are the same
when all their pixels are, in the size and colours that the model sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from penstock.core.errors import BadInput
from penstock.datasets.compare import outside, without_conflicts, without_repeats
from penstock.datasets.labels import UNSEEN, Settled, learnable, settle_alike, settle_rare, unseen
from penstock.datasets.report import MAX_EXAMPLES, ClassCount, CleaningReport, Example, Finding, Part, with_unreadable
from penstock.datasets.rows import Prepared, Row
from penstock.datasets.splits import set_aside
from penstock.tasks.images.data.decode import Colour, content_of, decode, fitted
from penstock.tasks.images.data.readers import LARGEST_SIDE, SMALLEST_SIDE, Pictures, read_pictures
from penstock.tasks.images.data.rows import Picture, of_row, to_row
from penstock.workspace.records import Cleaning, Product, Record
from penstock.workspace.values import Ratio

SMALL_CLASS_ROWS = 5


Side = Annotated[int, Field(strict=True, ge=SMALLEST_SIDE, le=LARGEST_SIDE)]


class ImageOptions(Record):
    """size: [height, width] of what the model sees. color: "gray" or "rgb"; by default what the files are.
    labels_file, test_labels_file: of idx files, where their names do not tell. flip: an image's mirror image is of the
    same class (true of photos, not of digits). max_unreadable: the share of the files that may be left out because they
    cannot be read, named in the cleaning report. refit: once the gate has said yes, the recipe is trained again on the
    test images too, and a release serves that."""

    size: tuple[Side, Side] | None = None
    color: Colour | None = None
    labels_file: str | None = None
    test_labels_file: str | None = None
    flip: bool = Field(default=False, strict=True)
    max_unreadable: Ratio = Field(default=0.01, strict=True, ge=0, lt=1)
    refit: bool = Field(default=False, strict=True)


def prepare(product: Product, folder: Path, extra: Sequence[Mapping[str, Any]] = ()) -> Prepared:
    """Read, clean and split. extra: feedback rows that join train, never what is tested. Raises BadInput."""
    options = ImageOptions(**product.options)
    found = _read(product, folder, options)
    train, shape = found.read, found.read[0].pixels.shape
    test = given = None
    if product.test is not None:
        given = read_pictures(
            folder / product.test,
            columns=product.columns,
            labels_file=options.test_labels_file,
            size=(shape[0], shape[1]),
            colour="gray" if shape[2] == 1 else "rgb",
            most_unreadable=options.max_unreadable,
        )
        test = given.read
    feedback: list[Picture] = []
    unreadable: list[tuple[Row, str]] = []
    for row in extra:
        try:
            feedback.append(_fitting(row, (shape[0], shape[1], shape[2])))
        except BadInput as error:
            unreadable.append((Row("", row["label"], row["origin"], row.get("customer")), error.message))
    prepared = _cleaned(train, test, feedback, unreadable, product)
    wrong = _unreadable(found.unreadable), _unreadable(() if given is None else given.unreadable)
    return replace(prepared, report=with_unreadable(prepared.report, "unreadable", *wrong))


def labels(product: Product, folder: Path) -> list[str]:
    """The label of every image of the data. Raises BadInput."""
    return [picture.label for picture in _read(product, folder, ImageOptions(**product.options)).read]


def _unreadable(wrong: Sequence[tuple[BadInput, str]]) -> tuple[Example, ...]:
    return tuple(Example(error.where or "", error.message, label) for error, label in wrong)


def _read(product: Product, folder: Path, options: ImageOptions) -> Pictures:
    return read_pictures(
        folder / product.data,
        columns=product.columns,
        labels_file=options.labels_file,
        size=options.size,
        colour=options.color,
        most_unreadable=options.max_unreadable,
    )


def _fitting(row: Mapping[str, Any], shape: tuple[int, int, int]) -> Picture:
    """A correction's file in base64, or a picture's row, in the size and colours of the data. Raises BadInput."""
    if "file" not in row:
        picture = of_row(row)
        return replace(picture, pixels=fitted(picture.pixels, shape))
    pixels = decode(content_of(row["file"], row["origin"]), row["origin"])
    return Picture(fitted(pixels, shape), row["label"], row["origin"], row.get("customer"))


_Reasons = Sequence[tuple[Row, str]]


@dataclass(frozen=True)
class _Log:
    """Findings so far, and the pictures that rows stand for, by the digest of their pixels. size: theirs, in words."""

    size: str
    findings: list[Finding] = field(default_factory=list)
    pictures: dict[str, Picture] = field(default_factory=dict)

    def dropped(self, kind: str, part: Part, reasons: _Reasons, action: str = "dropped") -> None:
        self._note(kind, part, reasons, len(reasons), len(reasons), action)

    def kept(self, kind: str, part: Part, reasons: _Reasons, action: str) -> None:
        self._note(kind, part, reasons, len(reasons), 0, action)

    def settled(self, kind: str, settled: Settled) -> None:
        self._note(kind, "train", settled.found, len(settled.found), settled.dropped, settled.action)

    def conflicts(self, part: Part, images: int, reasons: _Reasons) -> None:
        action = f"{len(reasons)} rows dropped: the majority's label stays, a tie goes"
        self._note("image-conflict", part, reasons, images, len(reasons), action)

    def _note(self, kind: str, part: Part, reasons: _Reasons, found: int, dropped: int, action: str) -> None:
        if found:
            shown = tuple(Example(row.origin, self.size, row.label, other) for row, other in reasons[:MAX_EXAMPLES])
            self.findings.append(Finding(kind, part, found, dropped, action, shown))


def _cleaned(
    train: list[Picture], test: list[Picture] | None, extra: list[Picture], unreadable: _Reasons, product: Product
) -> Prepared:
    """A row stands for a picture: its text is the digest of the pixels, so texts' comparisons hold for images."""
    height, width, channels = train[0].pixels.shape
    log = _Log(f"{height} x {width} {'gray' if channels == 1 else 'colour'} image")
    options = product.cleaning
    read, asked = _rows(train, "train", log), _rows(test or (), "test", log)
    alike = settle_alike(read, asked, _rows(extra, "feedback", log), options)
    log.settled("alike-label", alike)
    tested = _agreeing(alike.test, "test", log)
    base = _not_tested(_agreeing(alike.train, "train", log), tested, "train", log)
    rare = settle_rare(base, tested, alike.extra, options)
    log.settled("rare-label", rare)
    base, tested = rare.train, rare.test
    if test is None:
        base, tested = set_aside(base, options.test_share, product.seed)
    log.dropped("unreadable-image", "feedback", unreadable)
    rows = _with_feedback(base, tested, rare.extra, options, log)
    _check(rows, tested, alike.train, options)
    classes = _class_counts(rows, tested, log)
    report = CleaningReport(
        read_train=len(train),
        read_test=len(test or ()),
        read_feedback=len(extra) + len(unreadable),
        rows_train=len(rows),
        rows_test=len(tested),
        classes=classes,
        findings=tuple(log.findings),
    )
    return Prepared(_objects(rows, log), _objects(tested, log), report)


def _rows(pictures: Sequence[Picture], part: Part, log: _Log) -> list[Row]:
    rows, blank = [], []
    for picture in pictures:
        digest = sha256(picture.pixels.tobytes()).hexdigest()
        log.pictures.setdefault(digest, picture)
        rows.append(Row(digest, picture.label, picture.origin, picture.customer))
        if picture.pixels.min() == picture.pixels.max():
            blank.append((rows[-1], ""))
    log.kept("blank-image", part, blank, "kept: look whether they are images at all")
    return rows


def _agreeing(rows: Sequence[Row], part: Part, log: _Log) -> list[Row]:
    """Each image once, with one label."""
    agreed, images = without_conflicts(rows)
    log.conflicts(part, images, agreed.dropped)
    single = without_repeats(agreed.rows)
    log.dropped("duplicate", part, single.dropped)
    return single.rows


def _not_tested(rows: Sequence[Row], tested: Sequence[Row], part: Part, log: _Log) -> list[Row]:
    """Train without the images of test: a model must not be judged by what it learned by heart."""
    kept = outside(rows, tested)
    log.dropped("test-in-train", part, kept.dropped, f"dropped from {part}, kept in test")
    return kept.rows


def _with_feedback(
    base: list[Row], tested: Sequence[Row], extra: Sequence[Row], options: Cleaning, log: _Log
) -> list[Row]:
    """Train joined by feedback. A label that only a few feedback rows know waits until there are more."""
    if not extra:
        return base
    known = {row.label for row in base}
    fresh = _known_or_frequent(_not_tested(extra, tested, "feedback", log), known, options, log)
    joined = _agreeing([*base, *fresh], "feedback", log)
    return _known_or_frequent(joined, known, options, log)  # contradictions may have left a new label too few rows


def _known_or_frequent(rows: list[Row], known: set[str], options: Cleaning, log: _Log) -> list[Row]:
    counts = Counter(label for _, label in {(row.text, row.label) for row in rows})
    rare = {label for label, count in counts.items() if label not in known and count < options.min_class_rows}
    waiting = [(row, "") for row in rows if row.label in rare]
    log.dropped("rare-label", "feedback", waiting, "held back until there are more")
    return [row for row in rows if row.label not in rare]


def _check(rows: Sequence[Row], tested: Sequence[Row], before: Sequence[Row], options: Cleaning) -> None:
    """Every label of the data can be learned; there is something to tell apart, and something to test with."""
    if not rows:
        raise BadInput("no training images are left after cleaning", hint="are the test images the same ones?")
    learnable(rows, tested, before, options)
    if len({row.label for row in rows}) == 1:
        hint = "a classifier needs images of at least two labels: a folder per class"
        raise BadInput(f"all images have the label {rows[0].label!r}", where=rows[0].origin, hint=hint)
    if not tested:
        hint = "give more images, or no test: then a share of the data is set aside"
        raise BadInput("no test images are left after cleaning", hint=hint)


def _class_counts(rows: Sequence[Row], tested: Sequence[Row], log: _Log) -> tuple[ClassCount, ...]:
    train, test = Counter(row.label for row in rows), Counter(row.label for row in tested)
    first = {row.label: row for row in reversed(rows)}
    untested = [(first[label], "") for label in sorted(train) if not test[label]]
    small = [(first[label], f"{count} rows") for label, count in sorted(train.items()) if count < SMALL_CLASS_ROWS]
    log.kept("unseen-label", "test", unseen(rows, tested), UNSEEN)
    log.kept("untested-class", "test", untested, "kept: their quality is not known")
    log.kept("small-class", "train", small, "kept: more rows would help most here")
    return tuple(ClassCount(label, train[label], test[label]) for label in sorted(train))


def _objects(rows: Sequence[Row], log: _Log) -> list[dict[str, Any]]:
    """In the order of their content, whatever the order of the files."""
    ordered = sorted(rows, key=lambda row: (row.text, row.label, row.origin))
    return [to_row(Picture(log.pictures[row.text].pixels, row.label, row.origin, row.customer)) for row in ordered]
