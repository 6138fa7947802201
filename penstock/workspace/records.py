"""What `penstock.toml` says, as frozen, validated records. Amounts stay Decimal; nothing here reads files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from penstock.core.errors import PenstockError
from penstock.core.hashing import digest_of
from penstock.core.money import exact_money
from penstock.workspace.values import Currency, Month, Network, Price9, Ratio, Share, Slug, TimeZone, fraction


class Misplaced(ValueError):
    """Things wrong below the key that is being checked: (the way down to each, what is wrong with it)."""

    def __init__(self, places: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("\n".join(f"{'.'.join(map(str, path))} {message}" for path, message in places))
        self.places = tuple(places)


class Record(BaseModel):
    """A frozen part of the workspace file; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def digest(self) -> str:
        """Hash of the content: two equal records have equal digests."""
        return digest_of(dump(self))


def _iban(value: object) -> object:
    text = str(value).replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}", text):
        raise ValueError(f"{value!r} is not an IBAN")
    digits = "".join(str(int(character, 36)) for character in text[4:] + text[:4])
    if int(digits) % 97 != 1:  # ISO 13616
        raise ValueError(f"{value!r} is not an IBAN: its check digits do not fit; look for a mistyped character")
    return text


class PaymentDetails(Record):
    """Where customers pay to. What is given is printed on open invoices; `note` is free text, e.g. of other ways."""

    account_name: str = Field(default="", max_length=140)
    bank: str = Field(default="", max_length=140)
    iban: Annotated[str, BeforeValidator(_iban)] | None = None
    account: str = Field(default="", max_length=60)
    bic: str = Field(default="", pattern=r"^([A-Z0-9]{8}|[A-Z0-9]{11})?$")
    note: str = Field(default="", max_length=500)


class DatedRate(Record):
    """A rate of tax from the beginning of a month on, e.g. "2026-01"; in the file the month is `from`."""

    rate: Share
    start: Month = Field(alias="from")


class Company(Record):
    """Who sells. `tax_rate` is added on top of net prices, e.g. "6%"; `tax` says instead from when which rate holds."""

    name: str = Field(min_length=1, max_length=120)
    currency: Currency = "USD"
    timezone: TimeZone = "UTC"
    locale: Literal["en", "zh-CN"] = "en"
    address: str = ""
    tax_id: str = ""
    tax_rate: Share = Decimal(0)
    tax: tuple[DatedRate, ...] = ()
    payment_days: int = Field(default=14, strict=True, ge=0, le=365)
    payment: PaymentDetails = PaymentDetails()

    @model_validator(mode="after")
    def _one_way(self) -> Company:
        months = [one.start for one in self.tax]
        if self.tax and self.tax_rate:
            raise ValueError("tax_rate and [[company.tax]] both say a rate: keep the dated ones")
        if len(set(months)) < len(months):
            raise ValueError(f"two rates of [[company.tax]] begin in the same month: {', '.join(months)}")
        return self


class Costs(Record):
    """What compute costs the company, in its currency."""

    cpu_core_hour: Price9 = Decimal("0.04")
    gpu_hour: Price9 = Decimal("2.50")


class Backbone(Record):
    """A pretrained model: `package:NAME`, `hub:ORG/NAME` or `path:DIR`, and the sha256 of its safetensors."""

    source: str = Field(pattern=r"^(package|hub|path):.+$")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class Tier(Record):
    """Units up to and including `up_to` (None: all the rest) cost `unit_price` each."""

    up_to: int | None = Field(default=None, strict=True, gt=0)
    unit_price: Price9


class Price(Record):
    """A graduated price: each unit is charged at the tier it falls in."""

    unit: str = "prediction"
    tiers: tuple[Tier, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Price:
        bounds = [tier.up_to for tier in self.tiers]
        if bounds[-1] is not None:
            raise ValueError("the last tier must have no up_to: otherwise units beyond it would have no price")
        inner = bounds[:-1]
        if None in inner or any(b <= a for a, b in pairwise(inner)):  # type: ignore[operator]
            raise ValueError(f"the tiers' up_to must rise from tier to tier, not {bounds}")
        return self

    def amount(self, quantity: int) -> Decimal:
        """The exact, unrounded price of `quantity` units counted from zero, in major units."""
        total, below = Decimal(0), 0
        for tier in self.tiers:
            top = quantity if tier.up_to is None else min(quantity, tier.up_to)
            total += max(0, top - below) * tier.unit_price
            below = max(below, top)
        return total

    def lowest_unit_price(self) -> Decimal:
        """The least that a unit can bring: margins are judged against it."""
        return min(tier.unit_price for tier in self.tiers)


_CONDITION = re.compile(r"^\s*(>=|<=)\s*(-?\d+(?:\.\d+)?\s?%?)\s*$")
_NO_RATIOS = re.compile(r".*_ms|cost_.*|epsilon|mae|rmse")
"""Metrics of which a percentage says nothing: times, money, and errors in the target's own unit."""


class Condition(Record):
    """A metric with a bound: `>=` judges the interval's lower end, `<=` the upper."""

    metric: str
    op: Literal[">=", "<="]
    threshold: float

    def holds(self, value: float) -> bool:
        return value >= self.threshold if self.op == ">=" else value <= self.threshold

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {self.threshold:g}"


def _gate(value: object) -> object:
    if not isinstance(value, Mapping):
        raise ValueError('the gate must be a table such as { accuracy = ">= 0.90" }')
    conditions, wrong = [], []
    for metric, text in value.items():
        match = _CONDITION.match(text) if isinstance(text, str) else None
        if match is None:
            wrong.append(((metric,), f'{text!r} is not a condition; write e.g. {metric} = ">= 0.90"'))
        else:
            threshold = match[2].replace(" ", "")
            if threshold.endswith("%") and _NO_RATIOS.fullmatch(str(metric)):
                wrong.append(((metric,), f"{text!r}: {metric} is no share, and has no percentage; write a number"))
                continue
            value = fraction(threshold) if threshold.endswith("%") else float(threshold)
            conditions.append({"metric": metric, "op": match[1], "threshold": value})
    if wrong:
        raise Misplaced(wrong)
    return tuple(conditions)


class Cleaning(Record):
    """How the data of a product are cleaned. What is dropped or masked is always counted in the report.

    mask_personal_data: true for e-mail addresses, phones, ids and cards; "presidio" for many more kinds besides.
    rare_labels: of labels with fewer rows than min_class_rows: "refuse" them, "drop" their rows, or "merge:NAME" them
    into one. alike_labels: labels that differ in case, width or blanks only: "keep" them apart, or "merge" them.
    drop_near_test: training rows that nearly repeat a test row leave train; where many stay, the gate refuses.
    """

    max_chars: int = Field(default=10_000, strict=True, ge=10)
    min_class_rows: int = Field(default=2, strict=True, ge=2)
    rare_labels: str = Field(default="refuse", pattern=r"^(refuse|drop|merge:.{1,200})$")
    alike_labels: Literal["keep", "merge"] = "keep"
    mask_personal_data: Literal[True, False, "presidio"] = False
    drop_near_test: bool = Field(default=True, strict=True)
    drop_near_duplicates: bool = Field(default=False, strict=True)
    test_share: Ratio = Field(default=0.2, strict=True, gt=0, lt=0.9)


class FeedbackPolicy(Record):
    """What becomes of customers' corrections.

    unknown_labels: a label that the data lack is refused, or kept as a proposal for the operator. train_on: a
    retraining takes all corrections that were not rejected, or only those that were accepted.
    """

    unknown_labels: Literal["refuse", "propose"] = "refuse"
    train_on: Literal["all", "accepted"] = "all"


class Product(Record):
    """A task, its data, its gate and its price, sold under a name. options: what only its task asks, and checks.

    error_cost: what one wrong answer costs, in the company's currency: of the models that pass the gate the one with
    the highest expected profit is chosen. within: else the cheapest whose headline is at most so far below the best
    one's. Without both, a wrong answer counts at the price of an answer. most_test_uses: candidates that one test split
    may judge before `penstock train` asks for a fresh one. explain_units: units that an explained input counts.
    """

    task: str
    title: str = ""
    data: str
    test: str | None = None
    columns: dict[str, str] = {}
    backbone: str | None = None
    ladder: tuple[str, ...] = ()
    gate: Annotated[tuple[Condition, ...], BeforeValidator(_gate)]
    price: Price
    cleaning: Cleaning = Cleaning()
    options: dict[str, Any] = {}
    seed: int = Field(default=0, strict=True)
    error_cost: Price9 | None = None
    within: Ratio | None = Field(default=None, strict=True, ge=0, lt=1)
    most_test_uses: int = Field(default=100, strict=True, ge=1)
    explain_units: int = Field(default=1, strict=True, ge=1, le=1_000)
    feedback: FeedbackPolicy = FeedbackPolicy()


class Plan(Record):
    """A monthly fee that includes units of some products; use beyond them is charged at the product's price."""

    title: str = ""
    monthly: Price9
    includes: dict[str, Annotated[int, Field(gt=0, strict=True)]] = {}


class Agreement(Record):
    """What a partner earns: a share of what attributed customers paid, net of tax and refunds."""

    kind: Literal["referral"] = "referral"
    share: Share
    hold_days: int = Field(default=30, strict=True, ge=0, le=365)


class StorageSettings(Record):
    """Where the database lies; empty: SQLite in the workspace's .penstock folder. keyring: the file with the keys that
    seal customers' data; empty: .penstock/secrets/keyring."""

    database: str = ""
    keyring: str = ""


class MailServer(Record):
    """The company's mail server. The password comes from the environment variable `password_env`, not from the file."""

    host: str = Field(min_length=1)
    port: int = Field(default=587, strict=True, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_env: str = ""
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")


class Tls(Record):
    """Files in PEM, relative to the workspace: the certificate, with those of its issuers below it, and its key."""

    certificate: str = Field(min_length=1)
    key: str = Field(min_length=1)


class GatewaySettings(Record):
    """The gateway's limits. metrics: who may read /metrics; "token": whoever has .penstock/secrets/metrics, "open": all
    who reach the gateway. proxies: whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, strict=True, ge=0, le=65535)
    max_body_bytes: int = Field(default=1_000_000, strict=True, ge=1_000)
    max_inputs: int = Field(default=256, strict=True, ge=1)
    queue_inputs: int = Field(default=1_024, strict=True, ge=1)
    requests_per_minute: int = Field(default=6_000, strict=True, ge=1)
    answer_days: int = Field(default=30, strict=True, ge=1)
    metrics: Literal["token", "open"] = "token"
    tls: Tls | None = None
    proxies: tuple[Network, ...] = ()


class OfficeSettings(Record):
    """Where the console and the admin interface listen. tls, proxies: as for the gateway."""

    host: str = "127.0.0.1"
    port: int = Field(default=8081, strict=True, ge=0, le=65535)
    tls: Tls | None = None
    proxies: tuple[Network, ...] = ()


class Workspace(Record):
    """All that the company sells, on one page. `folder` is where penstock.toml lies."""

    folder: Path = Path()
    company: Company
    costs: Costs = Costs()
    backbones: dict[Slug, Backbone] = {}
    products: dict[Slug, Product] = {}
    plans: dict[Slug, Plan] = {}
    agreements: dict[Slug, Agreement] = {}
    mail: MailServer | None = None
    storage: StorageSettings = StorageSettings()
    gateway: GatewaySettings = GatewaySettings()
    office: OfficeSettings = OfficeSettings()

    @model_validator(mode="after")
    def _references(self) -> Workspace:
        wrong = dangling(
            self.backbones,
            {name: product.backbone for name, product in self.products.items()},
            {name: plan.includes for name, plan in self.plans.items()},
        )
        wrong += _inexact_fees(self.plans, self.company.currency)
        if wrong:
            raise Misplaced(wrong)
        return self

    @property
    def state(self) -> Path:
        """Where everything that happened is kept."""
        return self.folder / ".penstock"

    @property
    def organisation(self) -> str:
        """The tenant id of this company in the database."""
        return "main"

    @property
    def database_url(self) -> str:
        """The database's address; PENSTOCK_DATABASE is read by app.open_house, not here."""
        return self.storage.database or f"sqlite:///{self.state / 'penstock.sqlite'}"

    @property
    def keyring(self) -> Path:
        """The keyring's file; PENSTOCK_KEYRING is read by runtime.house, not here."""
        return self.folder / (self.storage.keyring or ".penstock/secrets/keyring")

    @property
    def blobs(self) -> Path:
        return self.state / "blobs"


def dangling(
    backbones: Collection[str], used_by: Mapping[str, object], included_by: Mapping[str, Collection[str]]
) -> list[tuple[tuple[str | int, ...], str]]:
    """References that lead nowhere: products to backbones (`used_by`), plans to products (`included_by`)."""
    wrong: list[tuple[tuple[str | int, ...], str]] = []
    for product, backbone in used_by.items():
        if backbone is not None and backbone not in backbones:
            message = f"names {backbone!r}, which is not in [backbones]{_known(backbones)}"
            wrong.append((("products", product, "backbone"), message))
    for plan, includes in included_by.items():
        for included in includes:
            if included not in used_by:
                message = f"names {included!r}, which is not in [products]{_known(used_by)}"
                wrong.append((("plans", plan, "includes", included), message))
    return wrong


def _inexact_fees(plans: Mapping[str, Plan], currency: str) -> list[tuple[tuple[str | int, ...], str]]:
    """Fees that the currency cannot pay exactly: nobody is asked for more or less than the file says."""
    wrong: list[tuple[tuple[str | int, ...], str]] = []
    for name, plan in plans.items():
        try:
            exact_money(f"{plan.monthly:f}", currency)
        except PenstockError as error:
            wrong.append((("plans", name, "monthly"), f"{error.message} ({error.hint})"))
    return wrong


def _known(names: Collection[str]) -> str:
    return f"; there: {', '.join(names)}" if names else ", which is empty"


def dump(record: Record) -> dict[str, Any]:
    """A record as JSON values (decimals as strings): for hashes, plans and the database."""
    return record.model_dump(mode="json", by_alias=True)
