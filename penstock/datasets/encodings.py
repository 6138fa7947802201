"""Guesses the encoding of text that is not UTF-8, by how likely the characters are that each encoding would give.

Strict decoding alone does not tell: Windows-1252 with curly quotes decodes as GB18030 too. What tells is that wrong
decodings give rare characters: each candidate is scored by the mean likelihood of its characters beyond ASCII.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable

LEAST_SCORE = 0.2
"""Below it none of our candidates is likely, and a general detector is asked (Cyrillic, Greek, Korean, Thai ...)."""
_MOST_SCORED = 20_000
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多"
    "经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日者意无力它与长把机十民第公此已工使情明性知"
    "全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度"
    "请订单退款货快递查询客服收买卖价钱付换质量差服务号送吗呢吧谢包裹"
    "這個們來為國說時會對發後裡樣無與長機將兩間問點關業頭體見實現還進開沒動當從經麼請訂單貨嗎謝讓該誰錢買賣價"
)
"""Characters that make up about half of what Chinese people write, in both scripts, and some of trade."""
_QUOTES = frozenset("‘’“”‚„…–—•€™©®°£§«»·¡¿´\u00a0½¼¾²³±×")
_FOREIGN = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽžŸ")


def guess_encoding(sample: bytes, *, whole: bool = True) -> str | None:
    """Python's name of the encoding, "utf-8" where it is that; None where nothing fits. whole: the sample is all of the
    file; otherwise a character cut at its end is no reason against an encoding."""
    for mark, name in _BOMS:
        if sample.startswith(mark):
            return name
    if wide := _wide(sample):
        return wide
    if _decoded(sample, "utf-8", whole) is not None:
        return "utf-8"
    scored = {name: _score(sample, name, likely, whole) for name, likely in _CANDIDATES}
    best = max(scored, key=lambda name: scored[name])
    return best if scored[best] >= LEAST_SCORE else _any_other(sample)


def _wide(sample: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of its ASCII is zero."""
    head = sample[:4_000]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd < max(2, len(head) // 50):
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    return name if _decoded(sample[: len(sample) // 2 * 2], name, False) is not None else None


def _decoded(sample: bytes, name: str, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(name)().decode(sample, final=whole)
    except UnicodeDecodeError:
        return None


def _score(sample: bytes, name: str, likely: Callable[[str, int], float], whole: bool) -> float:
    """The mean likelihood of the characters beyond ASCII, 1 at best; -1 where the bytes cannot be decoded so."""
    text = _decoded(sample, name, whole)
    if text is None:
        return -1.0
    places = [place for place, sign in enumerate(text) if sign > "\x7f"][:_MOST_SCORED]
    return sum(likely(text, place) for place in places) / max(len(places), 1)


def _chinese(text: str, place: int) -> float:
    sign = text[place]
    if sign in _COMMON:
        return 1.0
    if sign in "，。！？、；：“”‘’（）《》【】…—　￥·～":
        return 0.8
    if _in_gb2312_level_1(sign) or _in_big5_level_1(sign):
        return 0.45
    return 0.1 if "\u4e00" <= sign <= "\u9fff" else -0.8  # kana, private and unassigned characters, hangul


def _in_gb2312_level_1(sign: str) -> bool:
    try:
        return 0xB0 <= sign.encode("gb2312")[0] <= 0xD7
    except UnicodeEncodeError:
        return False


def _in_big5_level_1(sign: str) -> bool:
    try:
        return 0xA4 <= sign.encode("big5")[0] <= 0xC6
    except UnicodeEncodeError:
        return False


def _gb(text: str, place: int) -> float:
    """Signs of GBK's extensions are rare today, and what wrong bytes become: a quote and the letter after it."""
    try:
        own = text[place].encode("gb2312")
    except UnicodeEncodeError:
        return min(_chinese(text, place), 0.1) - 0.4 if text[place] not in _COMMON else 0.6
    return _chinese(text, place) if own else -1.0


def _big5(text: str, place: int) -> float:
    try:
        text[place].encode("big5")
    except UnicodeEncodeError:
        return -0.8
    return _chinese(text, place) - (0.0 if text[place] in _COMMON or not _only_simplified(text[place]) else 0.3)


def _only_simplified(sign: str) -> bool:
    return _in_gb2312_level_1(sign) and not _in_big5_level_1(sign)


def _japanese(text: str, place: int) -> float:
    sign = text[place]
    if "\u3041" <= sign <= "\u3093" or "\u30a1" <= sign <= "\u30fc":
        return 1.0
    if "\uff61" <= sign <= "\uff9f":
        return -0.6  # half-width kana: single bytes, which any other encoding's are taken for
    if sign in "、。「」・　！？（）":
        return 0.9
    try:
        level_1 = 0x88 <= sign.encode("shift_jis")[0] <= 0x97
    except UnicodeEncodeError:
        return -0.8
    return 0.4 if level_1 else 0.0


def _western(text: str, place: int) -> float:
    """Quotes and dashes beside words; a letter with an accent among plain letters. Neighbours beyond ASCII speak
    against it: in Chinese bytes they come in rows."""
    sign = text[place]
    before, after = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    alone = all(side <= "\x7f" or side in _QUOTES for side in (before, after))
    if sign in _QUOTES:
        return 0.8 if alone else 0.1
    if sign in _FOREIGN:
        beside = sum(side.isascii() and side.isalpha() for side in (before, after))
        return (0.3 + 0.3 * beside) if alone else -0.3 if unicodedata.category(sign) == "Lu" else 0.1
    return -0.8


_CANDIDATES: tuple[tuple[str, Callable[[str, int], float]], ...] = (
    ("cp1252", _western),
    ("gb18030", _gb),
    ("big5", _big5),
    ("shift_jis", _japanese),
    ("euc_jp", _japanese),
)


def _any_other(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    found = from_bytes(sample[:50_000]).best()
    return None if found is None else found.encoding
