"""Labelled images from a folder per class, idx files or a csv of paths become rows; every defect names its file."""

from __future__ import annotations

import gzip
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.tasks.images.data.prepare import prepare
from penstock.tasks.images.data.rows import of_rows
from penstock.tasks.images.task import correction
from penstock.workspace.records import Product


def product(**fields: Any) -> Product:
    rest = {"task": "image-classification", "gate": {}, "price": {"tiers": [{"unit_price": "0.001"}]}}
    return Product.model_validate({"data": "data", **rest, **fields})


def drawing(shade: int, place: int, size: tuple[int, int] = (12, 12)) -> Image.Image:
    pixels = np.full(size, 255 - shade, dtype=np.uint8)
    pixels[place % size[0], (place // size[0]) % size[1]] = shade
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 light and 20 dark images, all different, a folder per class."""
    for label, shade in (("dark", 230), ("light", 20)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for row in range(20):
            drawing(shade, row).save(tmp_path / "data" / label / f"{row:02d}.png")
    return tmp_path


def test_a_folder_per_class_becomes_rows_with_their_origins(folder: Path) -> None:
    prepared = prepare(product(), folder)
    train = of_rows(prepared.train)
    assert train.shape == (12, 12, 1)
    assert len(prepared.train) + len(prepared.test) == 40 and len(prepared.test) > 2
    assert set(train.labels) == {"dark", "light"}
    assert all(origin.startswith(f"{label}/") for origin, label in zip(train.origins, train.labels, strict=True))
    assert [count.label for count in prepared.report.classes] == ["dark", "light"]


def test_the_same_images_by_csv_are_the_same_rows_but_for_their_origins(folder: Path) -> None:
    lines = ["file,class", *(f"{f.parent.name}/{f.name},{f.parent.name}" for f in (folder / "data").rglob("*.png"))]
    (folder / "data" / "list.csv").write_text("\n".join(lines))
    by_csv = prepare(product(data="data/list.csv", columns={"path": "file", "label": "class"}), folder)
    (folder / "data" / "list.csv").unlink()
    assert pixels_of(by_csv) == pixels_of(prepare(product(), folder))
    assert by_csv.train[0]["origin"].startswith("list.csv:")


def test_idx_files_are_read_with_the_labels_beside_them(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", rows=60)
    write_idx(tmp_path, "t10k", rows=20, seed=1)
    data = product(data="train-images-idx3-ubyte.gz", test="t10k-images-idx3-ubyte.gz")
    prepared = prepare(data, tmp_path)
    assert (len(prepared.train), len(prepared.test)) == (60, 20)
    assert of_rows(prepared.test).shape == (9, 10, 1)
    assert {row["label"] for row in prepared.train} == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-5], "its header promises"),
        (lambda content: b"\0\0\x0d" + content[3:], "only uint8"),
        (lambda content: b"not idx", "no idx file"),
        (lambda content: content[:3] + b"\x07" + content[4:], "its header promises"),
    ],
)
def test_a_damaged_idx_file_is_refused_by_name(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    write_idx(tmp_path, "train", rows=9)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(damage(gzip.decompress(file.read_bytes()))))
    with pytest.raises(BadInput, match=message) as caught:
        prepare(product(data=file.name), tmp_path)
    assert caught.value.where == file.name


def test_repeats_contradictions_and_leaks_are_found_by_pixels(folder: Path) -> None:
    for part in ("dark", "light"):
        (folder / "test" / part).mkdir(parents=True)
    for row in range(30, 35):
        drawing(230, row).save(folder / "test" / "dark" / f"{row}.png")
        drawing(20, row).save(folder / "test" / "light" / f"{row}.png")
    drawing(230, 3).save(folder / "test" / "dark" / "leak.bmp")
    drawing(230, 5).convert("RGB").save(folder / "data" / "dark" / "again.png")
    drawing(230, 7).save(folder / "data" / "light" / "contradicts.png")
    Image.new("L", (12, 12), 7).save(folder / "data" / "dark" / "blank.png")
    report = prepare(product(test="test"), folder).report
    assert report.found("test-in-train", "train") == 1
    assert report.found("duplicate", "train") == 1
    assert report.found("image-conflict", "train") == 1
    assert report.found("blank-image", "train") == 1
    assert report.read_train + report.read_test - report.dropped == report.rows_train + report.rows_test
    assert "2 rows dropped" in str(report.table()), "a tie: both go"


def test_other_sizes_and_colours_are_brought_to_the_commonest(folder: Path) -> None:
    drawing(230, 40, (30, 50)).save(folder / "data" / "dark" / "large.png")
    assert of_rows(prepare(product(), folder).train).shape == (12, 12, 1)
    Image.new("RGB", (12, 12), (200, 20, 20)).save(folder / "data" / "dark" / "red.png")
    assert of_rows(prepare(product(), folder).train).shape == (12, 12, 3)
    options = {"size": [16, 8], "color": "gray"}
    assert of_rows(prepare(product(options=options), folder).train).shape == (16, 8, 1)


def test_every_image_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "data" / "dark" / "broken.png").write_bytes(b"no image")
    whole = (folder / "data" / "light" / "00.png").read_bytes()
    (folder / "data" / "light" / "cut.png").write_bytes(whole[:-30])
    with pytest.raises(BadInput) as caught:
        prepare(product(), folder)
    assert "dark/broken.png" in str(caught.value)
    (folder / "data" / "dark" / "broken.png").unlink()
    with pytest.raises(BadInput, match=r"light/cut\.png"):
        prepare(product(), folder)


@pytest.mark.parametrize("name", ["notes.txt", "dark/notes.txt"])
def test_files_that_are_no_images_are_named(folder: Path, name: str) -> None:
    (folder / "data" / name).write_text("hello")
    with pytest.raises(BadInput, match=r"notes\.txt"):
        prepare(product(), folder)
    (folder / "data" / name).rename(folder / "data" / ".hidden")
    prepare(product(), folder)


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("path,label\ndark/00.png\n", "list.csv:2"),
        ("path,label\nno/such.png,dark\n", "list.csv:2"),
        ("file,label\n", "list.csv:1"),
        ('path,label\n"dark/00.png,dark\n', "list.csv"),
        ("", "list.csv:1"),
        ("path,label\n", "list.csv"),
    ],
)
def test_a_csv_that_leads_nowhere_is_refused_at_its_line(folder: Path, table: str, where: str) -> None:
    (folder / "data" / "list.csv").write_text(table)
    with pytest.raises(BadInput) as caught:
        prepare(product(data="data/list.csv"), folder)
    assert str(caught.value.where).startswith(where)


def test_a_class_of_one_image_is_too_few(folder: Path) -> None:
    (folder / "data" / "rare").mkdir()
    drawing(120, 3).save(folder / "data" / "rare" / "only.png")
    with pytest.raises(BadInput, match=r"too few rows to learn: 'rare' \(1 row\)") as caught:
        prepare(product(), folder)
    assert caught.value.where == "rare/only.png"


def test_corrections_join_train_and_never_change_what_is_tested(folder: Path) -> None:
    plain = prepare(product(), folder)
    new = encoded(drawing(90, 8, (40, 40)))
    extra = [
        {**correction(new, " light "), "origin": "feedback:fb_1", "customer": "cus_1"},
        {**correction(encoded(drawing(60, 1)), "unheard"), "origin": "feedback:fb_2", "customer": "cus_1"},
        {**correction(new[:40], "light"), "origin": "feedback:fb_3", "customer": "cus_1"},
    ]
    joined = prepare(product(), folder, extra)
    assert [row["image"] for row in joined.test] == [row["image"] for row in plain.test]
    added = [row for row in joined.train if row["origin"] == "feedback:fb_1"]
    assert [(row["label"], row["shape"], row["customer"]) for row in added] == [("light", [12, 12, 1], "cus_1")]
    assert joined.report.found("rare-label") == 1
    assert joined.report.found("unreadable-image", "feedback") == 1
    assert joined.report.read_feedback == 3
    report = joined.report
    assert report.read_train + report.read_feedback - report.dropped == report.rows_train + report.rows_test


def test_ten_thousand_digits_are_read_and_compared_in_seconds(shared_data: Path) -> None:
    began = time.process_time()
    prepared = prepare(product(data="t10k-images-idx3-ubyte.gz"), shared_data / "mnist")
    assert time.process_time() - began < 8  # about 0.5 s on a quiet machine
    assert len(prepared.train) + len(prepared.test) == 10_000
    assert of_rows(prepared.test).shape == (28, 28, 1)
    assert prepared.report.findings == ()


def pixels_of(prepared: Prepared) -> list[tuple[str, str]]:
    return [(row["image"], row["label"]) for row in [*prepared.train, *prepared.test]]


def encoded(image: Image.Image) -> str:
    import base64
    import io

    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def write_idx(folder: Path, part: str, rows: int, seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, 9, 10), dtype=np.uint8)
    labels = (np.arange(rows) % 3).astype(np.uint8)
    images = b"\0\0\x08\x03" + struct.pack(">3I", *pixels.shape) + pixels.tobytes()
    (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    named = b"\0\0\x08\x01" + struct.pack(">I", rows) + labels.tobytes()
    (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(named))


def test_a_few_files_that_cannot_be_read_are_left_out_by_name(folder: Path) -> None:
    """One corrupt picture used to refuse the whole folder."""
    for row in range(20, 70):
        drawing(230, row).save(folder / "data" / "dark" / f"{row:02d}.png")
        drawing(20, row).save(folder / "data" / "light" / f"{row:02d}.png")
    bad = folder / "data" / "dark" / "07.png"
    bad.write_bytes(bad.read_bytes()[:40])
    found = prepare(product(), folder)
    (finding,) = [f for f in found.report.findings if f.kind == "unreadable"]
    assert (finding.found, finding.dropped, finding.examples[0].origin) == (1, 1, "dark/07.png")
    assert found.report.read_train == 140 and len(found.train) + len(found.test) == 139
    assert any("dark/07.png" in sentence for sentence in found.report.told())
    (folder / "data" / "light" / "08.png").write_bytes(b"no image")
    with pytest.raises(BadInput, match=r"07\.png|08\.png") as caught:
        prepare(product(), folder)  # two of 140 are more than a hundredth
    assert "max_unreadable" in str(caught.value) and "dark/07.png" in str(caught.value)
    assert prepare(product(options={"max_unreadable": "2%"}), folder).report.found("unreadable") == 2
    with pytest.raises(BadInput):
        prepare(product(options={"max_unreadable": 0.0}), folder)


def test_a_table_may_name_a_few_files_that_are_gone(folder: Path) -> None:
    lines = ["path,label", *(f"{kind}/{row:02}.png,{kind}" for kind in ("dark", "light") for row in range(20))]
    (folder / "data" / "list.csv").write_text("\n".join([*lines, "dark/gone.png,dark"]))
    with pytest.raises(BadInput, match=r"gone\.png") as caught:
        prepare(product(data="data/list.csv"), folder)  # one of 41 is more than a hundredth
    assert "max_unreadable" in str(caught.value) and caught.value.where == "list.csv:42"
    found = prepare(product(data="data/list.csv", options={"max_unreadable": "5%"}), folder)
    (finding,) = [f for f in found.report.findings if f.kind == "unreadable"]
    assert (finding.found, finding.dropped, finding.examples[0].origin) == (1, 1, "list.csv:42")
    assert any("list.csv:42" in sentence for sentence in found.report.told())
