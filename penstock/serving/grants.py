"""Holds in memory: each request takes its units from a durable grant before work and ends its hold once.

All of it runs on the event loop, so it needs no locks; only opening, renewing and closing grants touches the
database, through the usage writer. It knows nothing of models or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from penstock.core.errors import Broken, Exhausted, PenstockError, Unavailable
from penstock.serving.funding import Funding, Grant, check_grant
from penstock.serving.writer import UsageWriter
from penstock.storage.engine import Transaction

SMALLEST_BLOCK = 64
LARGEST_BLOCK = 4096
IDLE_S = 5.0  # an unused grant is returned after this long: held credit is of no use to the customer's other products
REFUSAL_S = 1.0  # a refusal is remembered this long: a customer without credit must not cost a commit per request
MARGIN = 0.25  # the last quarter of a grant's life is not used: requests under way must settle before it ends

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass
class Open:
    """A grant in use. taken: units held or settled; live: units held by requests under way."""

    grant: Grant
    usable_until: float  # time.monotonic()
    renew_after_s: float
    opened_at: float
    used_at: float
    taken: int = 0
    live: int = 0
    retired: bool = False  # nothing more is taken from it; it is closed once its requests have ended

    @property
    def free(self) -> int:
        return 0 if self.retired else self.grant.units - self.taken


@dataclass(frozen=True)
class Slice:
    """`units` of one grant, the first of them at `position` of the period's cumulative quantity."""

    open: Open
    position: int
    units: int


@dataclass
class Hold:
    """Units reserved for one request. It ends once: settled (committed with the event) or voided."""

    slices: tuple[Slice, ...]
    ended: str | None = None

    @property
    def uses(self) -> list[tuple[str, int]]:
        return [(piece.open.grant.id, piece.units) for piece in self.slices]

    @property
    def currency(self) -> str:
        return self.slices[0].open.grant.currency

    def amount(self) -> Decimal:
        """What these units add to the period's charge at the place where they were admitted, unrounded."""
        return sum((_charged(piece) for piece in self.slices), Decimal(0))

    def settle(self) -> None:
        """The units are used, in the database too (or perhaps: then not offering them again is the safe side)."""
        self._end("settled", give_back=False)

    def void(self) -> None:
        """The work was not done: the units are free again."""
        self._end("voided", give_back=True)

    def _end(self, how: str, *, give_back: bool) -> None:
        if self.ended is not None:
            raise Broken(f"a hold was {how} after it was {self.ended}")
        self.ended = how
        now = time.monotonic()
        for piece in self.slices:
            piece.open.live -= piece.units
            piece.open.used_at = now
            if give_back:
                piece.open.taken -= piece.units


@dataclass
class _Pair:
    """A customer's open grants of one product; of one of its keys, where that has a cap of its own."""

    customer: str
    product: str
    key: str = ""
    grants: list[Open] = field(default_factory=list)
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    block: int = SMALLEST_BLOCK
    refusal: PenstockError | None = None
    refused_units: int = 0
    refused_until: float = 0.0

    def take(self, units: int, now: float) -> tuple[Slice, ...] | None:
        usable = [held for held in self.grants if held.free > 0 and now < held.usable_until]
        if sum(held.free for held in usable) < units:
            return None
        slices = []
        for held in usable:
            part = min(units, held.free)
            slices.append(Slice(held, held.grant.cumulative + held.taken, part))
            held.taken += part
            held.live += part
            held.used_at = now
            units -= part
            if units == 0:
                break
        return tuple(slices)

    def short_of(self, units: int, now: float) -> int:
        return units - sum(held.free for held in self.grants if now < held.usable_until)


class Grants:
    """All grants of one gateway. `hold` is called per request, `tend` about once a second, `close` at the end."""

    def __init__(self, writer: UsageWriter, funding: Funding, gateway: str) -> None:
        self._writer = writer
        self._funding = funding
        self._gateway = gateway
        self._pairs: dict[tuple[str, str, str], _Pair] = {}
        self._renewed_at = time.monotonic()

    async def hold(self, customer: str, product: str, units: int, key: str = "") -> Hold:
        """Reserve `units`. key: whose cap in money bounds them.

        Raises CreditExhausted, QuotaExceeded, NotFound (no price) or Unavailable.
        """
        pair = self._pairs.get((customer, product, key))
        if pair is None:
            pair = self._pairs[customer, product, key] = _Pair(customer, product, key)
        slices = pair.take(units, time.monotonic())
        if slices is None:
            async with pair.opening:
                while (slices := pair.take(units, time.monotonic())) is None:
                    # a request given up meanwhile must not lose the grant that is being opened for it
                    await asyncio.shield(asyncio.ensure_future(self._open_more(pair, units)))
        return Hold(slices)

    async def tend(self) -> None:
        """Extend what is in use, return what is not."""
        now = time.monotonic()
        in_use = [held for pair in self._pairs.values() for held in pair.grants if not held.retired]
        if in_use and now - self._renewed_at >= min(held.renew_after_s for held in in_use):
            await self._renew(in_use)
        idle = [held for held in self._all() if held.live == 0 and _is_done(held, now)]
        await self._give_back(idle)
        self._pairs = {
            key: pair
            for key, pair in self._pairs.items()
            if pair.grants or pair.opening.locked() or now < pair.refused_until
        }

    def retire(self) -> None:
        """Prices, plans or credit changed: take nothing more from present grants and forget refusals."""
        for pair in self._pairs.values():
            pair.refusal, pair.refused_until = None, 0.0
            for held in pair.grants:
                held.retired = True

    async def close(self) -> None:
        """Return everything to the customers."""
        await self._give_back(list(self._all()))

    @property
    def held_units(self) -> int:
        return sum(held.free for held in self._all())

    def _all(self) -> Iterable[Open]:
        return [held for pair in self._pairs.values() for held in pair.grants]

    async def _open_more(self, pair: _Pair, units: int) -> None:
        now = time.monotonic()
        short = pair.short_of(units, now)
        if pair.refusal is not None and now < pair.refused_until and short >= pair.refused_units:
            raise _again(pair.refusal)
        _adapt(pair, now)
        try:
            opened = await self._open(pair, max(short, pair.block))
        except Exhausted:
            opened = await self._open_last(pair, short, now)
        pair.refusal = None
        pair.grants.append(opened)
        self._pairs.setdefault((pair.customer, pair.product, pair.key), pair)

    async def _open_last(self, pair: _Pair, short: int, now: float) -> Open:
        """Near the end of the funds: return what the customer holds and this request cannot use, ask for the least."""
        pair.block = SMALLEST_BLOCK
        await self._give_back(
            [
                held
                for other in self._pairs.values()
                if other.customer == pair.customer
                for held in other.grants
                if held.live == 0 and (other is not pair or held.retired or now >= held.usable_until)
            ]
        )
        try:
            return await self._open(pair, short)
        except Exhausted as error:
            pair.refusal, pair.refused_units, pair.refused_until = error, short, now + REFUSAL_S
            raise

    async def _open(self, pair: _Pair, units: int) -> Open:
        before = time.monotonic()  # taken first: waiting for the commit counts against the grant's life, not for it

        def write(tx: Transaction) -> tuple[Grant, datetime]:
            grant = self._funding.open_grant(
                tx, gateway=self._gateway, customer=pair.customer, product=pair.product, units=units, key=pair.key
            )
            return check_grant(grant), tx.shared_now

        grant, now = await self._write(write)
        life = (grant.expires_at - now).total_seconds()
        if life <= 0:
            raise Unavailable("the grant had expired when it was opened", hint="check the clocks of both machines")
        return Open(grant, before + life * (1 - MARGIN), life / 3, before, before)

    async def _renew(self, in_use: list[Open]) -> None:
        before = time.monotonic()
        try:
            expiries, now = await self._write(lambda tx: (dict(self._funding.renew(tx, self._gateway)), tx.shared_now))
        except PenstockError as error:
            _log.warning("grants could not be renewed: %s", error.message)
            return
        self._renewed_at = before
        _extend(in_use, expiries, before, now)

    async def _give_back(self, done: list[Open]) -> None:
        if not done:
            return
        gone = {id(held) for held in done}
        for held in done:
            held.retired = True
        for pair in self._pairs.values():
            pair.grants = [held for held in pair.grants if id(held) not in gone]
        ids = [held.grant.id for held in done]
        try:
            await self._write(lambda tx: self._funding.close(tx, ids))
        except PenstockError as error:  # they run out by themselves
            _log.warning("%d grants could not be returned and will expire: %s", len(ids), error.message)

    async def _write(self, write: Callable[[Transaction], T]) -> T:
        future: Future[T] = self._writer.call(write)
        return await asyncio.shield(asyncio.wrap_future(future))


def _charged(piece: Slice) -> Decimal:
    grant = piece.open.grant
    before = max(0, piece.position - grant.allowance)
    after = max(0, piece.position + piece.units - grant.allowance)
    return grant.price.amount(after) - grant.price.amount(before)


def _is_done(held: Open, now: float) -> bool:
    return held.free == 0 or held.retired or now >= held.usable_until or now - held.used_at > IDLE_S


def _adapt(pair: _Pair, now: float) -> None:
    """Bigger blocks for a customer who empties them quickly: one commit should last some seconds."""
    if not pair.grants:
        return
    lasted_s = now - max(held.opened_at for held in pair.grants)
    if lasted_s < 5.0:
        pair.block = min(pair.block * 2, LARGEST_BLOCK)
    elif lasted_s > 30.0:
        pair.block = max(pair.block // 2, SMALLEST_BLOCK)


def _extend(in_use: list[Open], expiries: Mapping[str, datetime], before: float, now: datetime) -> None:
    for held in in_use:
        expiry = expiries.get(held.grant.id)
        if expiry is None:
            held.retired = True
        else:
            held.usable_until = before + (expiry - now).total_seconds() * (1 - MARGIN)


def _again(refusal: PenstockError) -> PenstockError:
    """The same refusal for another request: an exception object carries one traceback, so each gets its own."""
    error = type(refusal)(refusal.message, where=refusal.where, hint=refusal.hint)
    if isinstance(refusal, Exhausted) and isinstance(error, Exhausted):
        error.retry_after_s = refusal.retry_after_s
    return error
