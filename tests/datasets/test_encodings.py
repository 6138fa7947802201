"""Which encoding text is in: told from what the characters would be, on samples short and long."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from penstock.datasets.encodings import guess_encoding

QUOTES = "text,label\n“Where’s my order?” she asked – it’s late,parcel\nI can’t log in… help!,login\n"
ACCENTS = "text,label\ncafé crème déjà vu,fr\nÄrger mit der Größe,de\n"
SIMPLIFIED = "text,label\n我的订单到哪里了,物流\n怎么退款,退款\n"
TRADITIONAL = "text,label\n我的訂單到哪裡了,物流\n怎麼退款,退款\n"
JAPANESE = "text,label\n荷物はどこですか,配送\n返金してください,返金\n"
CYRILLIC = "текст,метка\nгде мой заказ,доставка\nверните деньги за товар пожалуйста,возврат\n"

SAMPLES = [
    (QUOTES, "cp1252"),
    ("text,label\nit’s,a\n", "cp1252"),
    ("text,label\n£5 off,a\n", "cp1252"),
    (ACCENTS, "cp1252"),
    (ACCENTS, "latin-1"),
    (SIMPLIFIED, "gb18030"),
    (SIMPLIFIED, "gbk"),
    ("text,label\n退款,a\n", "gbk"),
    ("text,label\n《红楼梦》第十二回王熙凤毒设相思局,a\n", "gb18030"),
    (TRADITIONAL, "big5"),
    (JAPANESE, "shift_jis"),
    (JAPANESE, "euc_jp"),
    (QUOTES, "utf-16"),
    (SIMPLIFIED, "utf-16"),
    (SIMPLIFIED, "utf-16-le"),
    (QUOTES, "utf-16-be"),
    (QUOTES, "utf-8"),
    (SIMPLIFIED, "utf-8-sig"),
    (CYRILLIC, "cp1251"),
]


@pytest.mark.parametrize("times", [1, 300])
@pytest.mark.parametrize(("text", "encoding"), SAMPLES)
def test_the_guess_reads_the_text_as_it_was_written(text: str, encoding: str, times: int) -> None:
    head, *rest = text.splitlines(keepends=True)
    text = head + "".join(rest) * times
    guess = guess_encoding(text.encode(encoding))
    assert guess is not None
    assert text.encode(encoding).decode(guess).removeprefix("\ufeff") == text


def test_a_sample_cut_within_a_character_is_still_known() -> None:
    content = (SIMPLIFIED * 50).encode("gb18030")
    for cut in range(1, 5):
        assert guess_encoding(content[:-cut], whole=False) == "gb18030"


def test_every_row_of_real_reviews_is_known_by_itself(shared_data: Path) -> None:
    """ChnSentiCorp in GBK: one short review at a time, as little as there can be to tell by."""
    files = sorted((shared_data / "chnsenticorp").glob("*.csv*"))
    if not files:
        pytest.skip("the reviews are not there as csv")
    opening = gzip.open if files[0].suffix == ".gz" else open
    with opening(files[0], "rt", encoding="utf-8-sig", newline="") as stream:
        texts = [max(row, key=len) for row, _ in zip(csv.reader(stream), range(600), strict=False)][1:]
    kept = [text for text in texts if len(text) > 10]
    right = sum(guess_encoding(text.encode("gb18030")) in ("gb18030", "gbk", "utf-8") for text in kept)
    assert len(kept) > 100
    assert right / len(kept) > 0.97


def test_real_english_rows_with_curly_quotes_are_never_chinese(shared_data: Path) -> None:
    with gzip.open(shared_data / "banking77" / "train.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        texts = [row[0].replace("'", "’") for row, _ in zip(csv.reader(stream), range(3_000), strict=False)]
    curly = [text for text in texts if "’" in text]
    assert len(curly) > 100
    assert {guess_encoding(text.encode("cp1252")) for text in curly if _western(text)} == {"cp1252"}


def _western(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
