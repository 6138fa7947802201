"""Simulates the readers of the bookshop and writes data/interactions.csv: `python make_interactions.py`.

Nobody read these books. 600 invented readers have tastes, moods that last, series to go on with, an eye for what is
popular, and a start date; some things are wrong on purpose, for `penstock data inspect` to find.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20261101
READERS = 600
FIRST_DAY = datetime(2025, 3, 1, tzinfo=UTC)
DAYS = 600
CHINESE = ("小说", "科幻", "美食", "推理", "童书", "自然", "历史")
DATA = Path(__file__).parent / "data"


def main() -> None:
    chance = random.Random(SEED)
    with (DATA / "books.csv").open(encoding="utf-8", newline="") as stream:
        books = list(csv.DictReader(stream))
    shop = Shop(books, chance)
    rows = [row for number in range(1, READERS + 1) for row in reader(shop, f"r{number:04d}", chance)]
    rows += mistakes(rows, books, chance)
    rows.sort()
    with (DATA / "interactions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["user", "item", "time"])
        writer.writerows((user, item, f"{time:%Y-%m-%dT%H:%M:%SZ}") for time, user, item in rows)


class Shop:
    """Books by genre with how popular each is and since when it is sold, and what follows each in its series."""

    def __init__(self, books: list[dict[str, str]], chance: random.Random) -> None:
        self.genre = {book["item"]: book["genre"] for book in books}
        self.by_genre: dict[str, list[str]] = defaultdict(list)
        self.follows: dict[str, str] = {}
        volumes: dict[str, str] = {}
        for book in books:
            self.by_genre[book["genre"]].append(book["item"])
            name, _, number = book["series"].rpartition(" ")
            if name:
                if number != "1":
                    self.follows[volumes[name]] = book["item"]
                volumes[name] = book["item"]
        self.appeal = {book["item"]: chance.paretovariate(1.3) for book in books}
        self.since = {book["item"]: FIRST_DAY + timedelta(days=chance.choice((0, 0, 0, 150, 300))) for book in books}
        later = set(self.follows.values())
        for item in later:
            self.appeal[item] = 0.15  # hardly anybody begins in the middle


def reader(shop: Shop, user: str, chance: random.Random) -> list[tuple[datetime, str, str]]:
    """One reader's purchases: a mood that lasts a few books, series gone on with, the popular more than the rest."""
    taste = tastes(shop, chance)
    count = min(60, max(1, round(chance.lognormvariate(3.05, 0.55))))
    now = FIRST_DAY + timedelta(days=chance.uniform(0, DAYS * 0.6))
    pace = chance.uniform(0.5, 1.0) * (DAYS - (now - FIRST_DAY).days) / count
    mood, known, waiting, rows = pick(taste, chance), set[str](), list[str](), []
    for _ in range(count):
        now += timedelta(days=chance.expovariate(1 / pace), seconds=chance.randrange(3_600))
        if now > FIRST_DAY + timedelta(days=DAYS):
            break
        open_ = [item for item in waiting if item not in known and shop.since[item] <= now]
        if open_ and chance.random() < 0.6:
            item = open_[-1]
        else:
            mood = mood if chance.random() < 0.72 else pick(taste, chance)
            sold = {one: shop.appeal[one] for one in shop.by_genre[mood] if one not in known and shop.since[one] <= now}
            if not sold:
                continue
            item = pick(sold, chance)
        known.add(item)
        waiting = [one for one in waiting if one != item]
        if item in shop.follows:
            waiting.append(shop.follows[item])
        rows.append((now.replace(microsecond=0), user, item))
    return rows


def tastes(shop: Shop, chance: random.Random) -> dict[str, float]:
    """Two or three genres that a reader likes much, and a little of the others; one in seven reads Chinese."""
    reads_chinese = chance.random() < 0.15
    genres = [genre for genre in shop.by_genre if reads_chinese or genre not in CHINESE]
    taste = dict.fromkeys(genres, 0.03)
    for genre in chance.sample(genres, k=3):
        taste[genre] += chance.random()
    if reads_chinese:
        for genre in CHINESE:
            taste[genre] += 0.25
    return taste


def mistakes(
    rows: list[tuple[datetime, str, str]], books: list[dict[str, str]], chance: random.Random
) -> list[tuple[datetime, str, str]]:
    """What real logs hold too: repeats, a program that opened every page in an hour, books long withdrawn, and readers
    who came once."""
    again = [
        (time + timedelta(days=chance.randrange(1, 30)), user, item) for time, user, item in chance.sample(rows, 90)
    ]
    start = FIRST_DAY + timedelta(days=410)
    program = [(start + timedelta(seconds=20 * at), "r9999", book["item"]) for at, book in enumerate(books)]
    gone = [(time, user, f"b9{chance.randrange(3):02d}") for time, user, _ in chance.sample(rows, 40)]
    once = [(time, f"r1{at:03d}", item) for at, (time, _, item) in enumerate(chance.sample(rows, 12))]
    return [*again, *program, *gone, *once]


def pick(weights: dict[str, float], chance: random.Random) -> str:
    return chance.choices(list(weights), weights=list(weights.values()))[0]


if __name__ == "__main__":
    main()
