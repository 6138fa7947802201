"""RSS and Atom feeds as documents: fetched if changed, bounded, parsed by feedparser; what was sent is remembered.

It knows no gateway: what to send is given back, and marked as sent once it was.
"""

from __future__ import annotations

import calendar
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, PenstockError
from penstock.core.hashing import digest_of
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new
from penstock.tasks.opinion.data import MAX_TEXT_CHARS, Document, document_of
from penstock.tasks.opinion.outgoing import call
from penstock.tasks.opinion.tables import opinion_feed

MAX_FEED_BYTES = 2_000_000
MOST_ENTRIES = 10_000
MOST_SEEN = 2_000
_ENTRY = re.compile(rb"<(?:item|entry)\b")
_SCRIPT = re.compile(r"<(script|style)\b")
_TAG = re.compile(r"<[^<>]*>")  # a "<" that no ">" ends is read once: by <[^>]*> a long row of them took minutes


@dataclass(frozen=True)
class Feed:
    """What is remembered of a feed: its validators, and the ids of the documents that were sent."""

    product: str
    key: str
    url: str
    etag: str = ""
    modified: str = ""
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fetched:
    """What a feed holds now. changed: False when it said that nothing is new. undated: entries given the fetch time.

    skipped: entries that are no documents, with why.
    """

    changed: bool
    documents: tuple[Document, ...] = ()
    undated: int = 0
    skipped: tuple[str, ...] = ()
    etag: str = ""
    modified: str = ""


def fetch(feed: Feed, *, now: datetime, private: bool = False) -> Fetched:
    """Ask for the feed if it changed since. Raises BadInput or Unavailable: see outgoing.call."""
    headers = {"Accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.5"}
    if feed.etag:
        headers["If-None-Match"] = feed.etag
    if feed.modified:
        headers["If-Modified-Since"] = feed.modified
    answer = call("GET", feed.url, headers=headers, private=private, most_bytes=MAX_FEED_BYTES)
    if answer.status == 304:
        return Fetched(changed=False, etag=feed.etag, modified=feed.modified)
    if answer.status != 200:
        raise BadInput(f"the feed answered {answer.status}", where=feed.url.partition("?")[0])
    validators = {"etag": answer.headers.get("etag", ""), "modified": answer.headers.get("last-modified", "")}
    return parse(answer.body, now=now, **validators)


def parse(content: bytes, *, now: datetime, etag: str = "", modified: str = "") -> Fetched:
    """The entries of an RSS or Atom document, the oldest first. Raises BadInput when it is neither.

    Text is the title and the summary without markup; the id is the entry's own, or its address. Only an entry without
    any date gets the time of fetching.
    """
    import feedparser  # type: ignore[import-untyped, unused-ignore]

    if sum(1 for _ in _ENTRY.finditer(content)) > MOST_ENTRIES:
        raise BadInput(f"the feed has more than {MOST_ENTRIES:,} entries", hint="ask its publisher for a shorter one")
    # never a text: feedparser would fetch one that looks like an address. Not cleaned as HTML, which takes time squared
    # for "<!--" again and again: the words alone are taken
    found = feedparser.parse(io.BytesIO(content), sanitize_html=False, resolve_relative_uris=False)
    if not found.get("version") and not found.entries:
        raise BadInput("this is neither RSS nor Atom", hint="give the address of the feed, not of the page")
    source = _plain(found.feed.get("title", ""))[:200]
    documents: dict[str, Document] = {}
    undated, skipped = 0, []
    for entry in found.entries:
        dated = entry.get("published_parsed") or entry.get("updated_parsed")
        try:
            document = _document(entry, source, now if dated is None else _moment(dated), now)
        except PenstockError as error:
            skipped.append(f"{_plain(entry.get('title', ''))[:60] or 'an entry'}: {error.message}")
            continue
        if document.id not in documents:
            documents[document.id] = document
            undated += dated is None
    ordered = tuple(sorted(documents.values(), key=lambda one: (one.time, one.id)))
    return Fetched(True, ordered, undated, tuple(skipped), etag, modified)


def recall(tx: Transaction, product: str, key: str, url: str) -> Feed:
    """What is remembered of a feed; nothing yet of a new one. key: the id of the key that pays for its documents."""
    c = opinion_feed.c
    row = tx.first(sa.select(opinion_feed).where(*_is(tx, Feed(product, key, url))))
    if row is None:
        return Feed(product, key, url)
    return Feed(product, key, url, row[c.etag], row[c.modified], tuple(row[c.seen]))


def remember(tx: Transaction, feed: Feed, fetched: Fetched, sent: tuple[str, ...], *, whole: bool) -> None:
    """Keep which documents were sent. whole: all were, so that the feed need not be read again until it changes."""
    seen = [one for one in feed.seen if one not in set(sent)] + list(sent)
    values: dict[str, Any] = {
        "etag": fetched.etag if whole else "",
        "modified": fetched.modified if whole else "",
        "seen": seen[-MOST_SEEN:],
        "fetched_at": tx.now,
    }
    insert_new(tx, opinion_feed, [{"product": feed.product, "key": feed.key, "url": feed.url, **values}])
    tx.execute(sa.update(opinion_feed).where(*_is(tx, feed)).values(values))


def _is(tx: Transaction, feed: Feed) -> tuple[sa.ColumnElement[bool], ...]:
    c = opinion_feed.c
    return c.organisation == tx.organisation, c.product == feed.product, c.key == feed.key, c.url == feed.url


def _document(entry: Any, source: str, moment: datetime, now: datetime) -> Document:
    title, summary = _plain(entry.get("title", "")), _plain(entry.get("summary", ""))
    parts = [title] if summary.startswith(title) and title == summary else [title, summary]
    text = ". ".join(part.rstrip(". ") for part in parts if part)[:MAX_TEXT_CHARS]
    link = str(entry.get("link", ""))
    # without an id of its own it is known by its words: by its time it would be new at every pull, and billed again
    own = str(entry.get("id", "") or link or text)
    values = {"text": text, "time": moment.isoformat()}
    # an entry's id is often an address longer than ids may be
    values["id"] = own if len(own) <= 200 and own.isprintable() and own != text else f"entry_{digest_of(own)[:24]}"
    if link.startswith(("http://", "https://")) and len(link) <= 2_000 and link.isprintable():
        values["url"] = link
    if source:
        values["source"] = source
    return document_of(values, where="entry", now=now)


def _moment(parsed: Any) -> datetime:
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadInput("its date is outside the calendar") from None


def _plain(markup: Any) -> str:
    """Text without tags, scripts and styles, on one line."""
    line = " ".join(unescape(_TAG.sub(" ", _unscripted(str(markup)))).split())
    return "".join(character for character in line if character.isprintable())


def _unscripted(markup: str) -> str:
    """Without what scripts and styles hold: each part of the text is looked at once, whether or not they end."""
    kept, at, folded = [], 0, markup.lower()
    for opening in _SCRIPT.finditer(folded):
        if opening.start() >= at:
            kept.append(markup[at : opening.start()])
            end = folded.find(f"</{opening[1]}", opening.end())
            at = len(markup) if end < 0 else end
    return "".join([*kept, markup[at:]])
