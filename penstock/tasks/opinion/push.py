"""Documents from files and feeds, sent through the gateway like any customer's: counted and billed by document.

What was answered to the customer before is not sent again, and each request is named after its documents: a replay
that was interrupted can simply be run again, also of a file that has grown meanwhile, and bills nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2

from penstock import client as api
from penstock.client import Client
from penstock.client import opinion as wire
from penstock.core.errors import BadInput, PenstockError, Unavailable
from penstock.core.hashing import digest_of
from penstock.identity.keys import list_keys
from penstock.runtime.house import House
from penstock.runtime.progress import Progress, no_progress
from penstock.runtime.tls import address_of, own_context
from penstock.tasks.opinion import feeds, mentions
from penstock.tasks.opinion.data import Document, clean_documents, read_documents
from penstock.tasks.opinion.stream import fold, options_of

BATCH = 100
THREADS = 3  # one more than a gateway has for inference: it never waits for us
_KEY = re.compile(r"(?:sk|pk)_live_([^_]+)_.+")


@dataclass(frozen=True)
class Pushed:
    """documents: answered. repeated: of these, before, so that they were not billed again. dropped: empty or repeated
    in the file. mentions: in the answers that came now."""

    documents: int
    repeated: int
    dropped: int
    mentions: int


@dataclass(frozen=True)
class Pulled:
    """What a pull came to. undated: documents given the time of fetching, since the feed gives none."""

    changed: bool
    sent: int
    known: int
    undated: int
    skipped: tuple[str, ...]


def replay(
    house: House, product: str, path: Path, key: str, url: str | None = None, progress: Progress = no_progress
) -> Pushed:
    """Send a csv or jsonl file of documents, oldest first. url: of the gateway, by default the workspace's own.

    The whole file is checked before anything is sent. Pages are made of the documents that this customer has no answer
    to yet, by id: however the file or the pages have grown since, none is billed twice. Raises BadInput at file:line,
    Unavailable, or what the gateway refuses.
    """
    options = options_of(house, product)
    columns, most = house.workspace.products[product].columns, house.workspace.products[product].cleaning.max_chars
    read = read_documents(path, columns, now=house.store.clock.now(), zone=options.timezone)
    kept, findings = clean_documents(read, "train", most)
    fresh = _unanswered(house, product, key, [one.document for one in kept])
    batch = min(BATCH, house.workspace.gateway.max_inputs)
    answered = repeated = len(kept) - len(fresh)
    mentions = 0
    pages = [fresh[start : start + batch] for start in range(0, len(fresh), batch)]
    with _client(house, key, url) as client, ThreadPoolExecutor(THREADS) as pool:
        for page, found in zip(pages, pool.map(lambda page: _send(client, product, page), pages), strict=True):
            answered += len(page)
            repeated += len(page) if found is None or found.replayed else 0
            mentions += 0 if found is None else sum(len(output.mentions) for output in found.outputs)
            progress(f"{product}: replay", answered, len(kept))
    return Pushed(answered, repeated, sum(finding.dropped for finding in findings), mentions)


def pull(house: House, product: str, feed_url: str, key: str, url: str | None = None) -> Pulled:
    """Fetch a feed and send what is new in it, one document a request, so that a crash in between bills none twice."""
    options = options_of(house, product)
    with house.store.read() as tx:
        feed = feeds.recall(tx, product, _key_id(key), feed_url)
    fetched = feeds.fetch(feed, now=house.store.clock.now(), private=options.allow_private_webhooks)
    known = set(feed.seen)
    fresh = [document for document in fetched.documents if document.id not in known]
    sent: list[str] = []
    try:
        with _client(house, key, url) as client:
            for document in fresh:
                _send(client, product, [document])
                sent.append(document.id)
    finally:
        if fetched.changed:
            with house.store.transaction() as tx:
                feeds.remember(tx, feed, fetched, tuple(sent), whole=len(sent) == len(fresh))
    return Pulled(fetched.changed, len(sent), len(fetched.documents) - len(fresh), fetched.undated, fetched.skipped)


def _unanswered(house: House, product: str, key: str, documents: Sequence[Document]) -> list[Document]:
    """Those that the key's customer has no answer to, after all answers were folded."""
    key_id = _key_id(key)
    with house.store.read() as tx:
        payer = next((one.customer for one in list_keys(tx) if one.id == key_id), None)
    if payer is None:
        raise BadInput("this key is not of this house", where="--key", hint="make one: penstock key create CUSTOMER")
    fold(house, product)
    with house.store.read() as tx:
        known = set(mentions.kept_ids(tx, product, payer, [one.id for one in documents]))
    return [one for one in documents if one.id not in known]


def _client(house: House, key: str, url: str | None) -> Client:
    trusted = own_context(house.workspace, "gateway") if url is None else None
    transport = httpx2.HTTPTransport(verify=trusted) if trusted is not None else None
    return Client(url or address_of(house.workspace, "gateway"), key, transport=transport)


def _send(client: Client, product: str, documents: Sequence[Document]) -> api.Prediction[wire.Opinion] | None:
    """The answer; None when it was given before and is no longer kept, or given to another form of the document."""
    page = [wire.Document(one.text, one.time, one.id, one.source, one.url) for one in documents]
    name = f"opinion_{digest_of([product, [one.id for one in documents]])[:40]}"
    try:
        return client.ask(wire.documents(product, page, name))
    except api.Conflict:
        return None
    except api.ApiError as error:
        raise _own(error) from None


def _own(error: api.ApiError) -> PenstockError:
    if error.status in (0, 429) or error.status >= 500:
        return Unavailable(str(error), hint="what was sent is kept and not billed again: run the same command later")
    return BadInput(str(error))


def _key_id(key: str) -> str:
    shape = _KEY.fullmatch(key)
    if shape is None:
        raise BadInput("this is not a key", where="--key", hint="make one: penstock key create CUSTOMER")
    return shape[1]
