"""Feeds: RSS and Atom as documents, asked for only if changed, each entry once."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from monitoring.opinion_web import Reply, serving

from penstock.core.errors import BadInput, Unavailable
from penstock.storage.engine import Store
from penstock.tasks.opinion.feeds import Feed, fetch, parse, recall, remember

NOW = datetime(2026, 11, 15, 8, 0, tzinfo=UTC)
RSS = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>Harbour News &amp; more</title>
<item><title>Tidebank opens a branch</title><link>https://news.example/2</link><guid>n2</guid>
<description>&lt;p&gt;On &lt;b&gt;Mill Road&lt;/b&gt;.&lt;script&gt;alert(1)&lt;/script&gt;&lt;/p&gt;</description>
<pubDate>Sat, 14 Nov 2026 10:00:00 +0200</pubDate></item>
<item><title>Harbour Air is late</title><link>https://news.example/1</link>
<pubDate>Fri, 13 Nov 2026 10:00:00 GMT</pubDate></item>
<item><title>Harbour Air is late</title><link>https://news.example/1</link>
<pubDate>Fri, 13 Nov 2026 10:00:00 GMT</pubDate></item>
<item><title>No date here</title><guid>n3</guid></item>
<item><title>From the future</title><guid>n4</guid><pubDate>Fri, 13 Nov 2037 10:00:00 GMT</pubDate></item>
<item><description></description><guid>n5</guid></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>海港</title>
<entry><id>urn:a</id><title>潮汐银行</title><updated>2026-11-14T00:00:00Z</updated><summary>开业</summary></entry></feed>""".encode()


def test_rss_entries_become_documents_the_oldest_first() -> None:
    found = parse(RSS, now=NOW)
    assert [(one.text, one.id) for one in found.documents] == [
        ("Harbour Air is late", "https://news.example/1"),
        ("Tidebank opens a branch. On Mill Road", "n2"),
        ("No date here", "n3"),
    ]
    assert found.documents[1].time == datetime(2026, 11, 14, 8, 0, tzinfo=UTC)
    assert {one.source for one in found.documents} == {"Harbour News & more"}
    assert found.documents[1].url == "https://news.example/2"


def test_only_an_entry_without_any_date_gets_the_time_of_fetching() -> None:
    found = parse(RSS, now=NOW)
    assert found.undated == 1 and found.documents[-1].time == NOW


def test_what_is_no_document_is_skipped_and_said() -> None:
    skipped = parse(RSS, now=NOW).skipped
    assert (
        len(skipped) == 2 and "future" in skipped[0] and "From the future" in skipped[0] and "no text" not in skipped[0]
    )


def test_atom_in_chinese_is_read() -> None:
    [one] = parse(ATOM, now=NOW).documents
    assert (one.text, one.id, one.source) == ("潮汐银行. 开业", "urn:a", "海港")


@pytest.mark.parametrize("content", [b"", b"<html><body>Hello</body></html>", b"\x00\xff", b"http://169.254.169.254/"])
def test_what_is_no_feed_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="neither RSS nor Atom"):
        parse(content, now=NOW)


def test_an_entity_bomb_is_no_feed() -> None:
    bomb = b'<!DOCTYPE r [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;&a;">]><rss version="2.0"><channel><item>'
    bomb += b"<title>&b;</title></item></channel></rss>"
    assert all(len(one.text) < 100 for one in parse(bomb, now=NOW).documents)


@pytest.mark.parametrize("markup", ["&lt;", "&lt;!--", "&lt;a ", "&lt;div&gt;", "&lt;script&gt;"])
def test_markup_without_an_end_takes_no_longer_than_its_length(markup: str) -> None:
    """160,000 such characters took 40 s and more, twice as many four times as long."""
    many = markup * (640_000 // len(markup))
    item = f"<item><guid>x</guid><title>{many}</title><description>{many} end</description></item></channel>"
    began = time.monotonic()
    parse(RSS.replace(b"</channel>", item.encode(), 1), now=NOW)
    assert time.monotonic() - began < 15  # a second where nothing else runs


def test_more_entries_than_anyone_reads_are_refused() -> None:
    with pytest.raises(BadInput, match="more than 10,000 entries"):
        parse(b"<rss><channel>" + b"<item>" * 10_001, now=NOW)


def test_a_feed_is_asked_for_only_if_it_changed(store: Store) -> None:
    def answer(path: str, headers: dict[str, str]) -> Reply:
        if headers.get("if-none-match") == '"v1"' and headers.get("if-modified-since"):
            return 304, {}, b""
        return 200, {"ETag": '"v1"', "Last-Modified": "Fri, 13 Nov 2026 10:00:00 GMT"}, RSS

    with serving(answer) as web:
        first = fetch(Feed("brands", "k1", web.url), now=NOW, private=True)
        with store.transaction() as tx:
            remember(tx, Feed("brands", "k1", web.url), first, tuple(one.id for one in first.documents), whole=True)
            known = recall(tx, "brands", "k1", web.url)
            assert recall(tx, "brands", "k2", web.url).seen == ()
        assert set(known.seen) == {one.id for one in first.documents}
        assert fetch(known, now=NOW, private=True).changed is False


def test_what_was_not_all_sent_is_asked_for_again(store: Store) -> None:
    with store.transaction() as tx:
        feed = Feed("brands", "k1", "https://x.example/")
        found = parse(RSS, now=NOW, etag='"v1"')
        remember(tx, feed, found, ("n2",), whole=False)
        assert recall(tx, "brands", "k1", "https://x.example/") == Feed(
            "brands", "k1", "https://x.example/", "", "", ("n2",)
        )


def test_a_feed_that_is_away_or_a_page_says_so() -> None:
    with serving(lambda path, headers: (404, {}, b"")) as web:
        with pytest.raises(BadInput, match="404"):
            fetch(Feed("brands", "k1", web.url), now=NOW, private=True)
        with pytest.raises(BadInput, match="https"):
            fetch(Feed("brands", "k1", web.url), now=NOW)
    with pytest.raises(Unavailable):
        fetch(Feed("brands", "k1", web.url), now=NOW, private=True)
