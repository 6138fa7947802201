"""The error tree: each error says what is wrong, where, and what to do.

It knows nothing of HTTP or of the command line; the edges map each class once.

    PenstockError
    ├── BadInput            the caller's data, file, key or argument is wrong
    │   └── NotFound        the named thing does not exist
    ├── Conflict            right in itself, but not in the present state
    ├── Unauthorised        no key, or a key that does not hold
    ├── Forbidden           a known caller asks for what it may not have
    ├── Exhausted           a limit is reached
    │   ├── RateLimited     too fast: try again later
    │   ├── QuotaExceeded   the period's units are used up
    │   └── CreditExhausted the prepaid money is used up
    ├── GateRefused         no candidate passed the gate
    ├── Unavailable         a part is busy, full or absent: trying again may help
    │   └── OutOfTime       the time given was over before the work
    └── Broken              an invariant does not hold: stop and look
"""

from __future__ import annotations


class PenstockError(Exception):
    """Base of all errors shown to people.

    message: what is wrong, one sentence. where: file, row, column, key or id.
    hint: what to do about it.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        todo = f"\n  {self.hint}" if self.hint else ""
        return f"{place}{self.message}{todo}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.where, self.hint, dict(self.__dict__))


def _rebuild(
    kind: type[PenstockError], message: str, where: str | None, hint: str | None, state: dict[str, object]
) -> PenstockError:
    error = kind.__new__(kind)
    PenstockError.__init__(error, message, where=where, hint=hint)
    error.__dict__.update(state)
    return error


class BadInput(PenstockError):
    """The caller's data, file, key or argument is wrong."""


class NotFound(BadInput):
    """The named thing does not exist (or belongs to someone else)."""


class Conflict(PenstockError):
    """The request is well formed but does not fit the present state."""


class Unauthorised(PenstockError):
    """No credential, or one that does not hold."""


class Forbidden(PenstockError):
    """A known caller asks for what it may not have."""


class Exhausted(PenstockError):
    """A limit is reached. retry_after_s: seconds until it may help to try again, if known."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.retry_after_s = retry_after_s


class RateLimited(Exhausted):
    """Too many requests in too short a time."""


class QuotaExceeded(Exhausted):
    """The units allowed in this period are used up."""


class CreditExhausted(Exhausted):
    """The prepaid credit does not cover the work asked for."""


class GateRefused(PenstockError):
    """No candidate passed the gate. The report says what fell short."""


class Unavailable(PenstockError):
    """A part is busy, full or absent; the same call may succeed later."""


class OutOfTime(Unavailable):
    """The time given was over before the work: with more of it, the same call may succeed."""


class DatabaseUnavailable(Unavailable):
    """The database did not do what it should. The message holds the driver's words: they are the operator's to read."""


class Broken(PenstockError):
    """An invariant does not hold. Nothing may be built on this state until someone has looked."""
