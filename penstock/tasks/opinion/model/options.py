"""What [products.NAME.options] of an opinion-monitoring product may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from penstock.tasks.opinion.model.series import Bucket
from penstock.workspace.records import MailServer, Record
from penstock.workspace.values import Ratio, Slug, TimeZone

Labels = tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...]


class Webhook(Record):
    """Where alerts are posted. customer: only those of this customer's documents; empty: all."""

    url: str = Field(pattern=r"^https?://", max_length=2_000)
    customer: str = ""


class Mail(MailServer):
    """How alerts are mailed, and to whom. customer: only those of this customer's documents; empty: all."""

    to: tuple[Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(min_length=1)
    customer: str = ""


class PlantedShifts(Record):
    """What detection is measured with: volume times `volume`, shares plus `share`, for `buckets` buckets."""

    volume: float = Field(default=3.0, gt=1, le=100)
    share: Ratio = Field(default=0.3, gt=0, le=1)
    buckets: int = Field(default=14, strict=True, ge=1, le=500)


class Options(Record):
    """[products.NAME.options]. entities: name -> aliases, or a csv file with the columns name,alias. sentiment: the
    text-classification product whose live release scores documents; positive, negative: its labels that are so.
    sentiment_artifact is put in by the house when it trains."""

    entities: dict[str, tuple[str, ...]] | str
    sentiment: Slug
    positive: Labels = ("positive",)
    negative: Labels = ("negative",)
    bucket: Bucket = "day"
    timezone: TimeZone = "UTC"
    false_alarms_per_month: float = Field(default=0.3, ge=0.01, le=30)
    planted: PlantedShifts = PlantedShifts()
    webhooks: tuple[Webhook, ...] = ()
    allow_private_webhooks: bool = False
    mail: tuple[Mail, ...] = ()
    notify_days: int = Field(default=7, strict=True, ge=1, le=366)
    text_days: int = Field(default=90, strict=True, ge=1, le=3_660)
    sentiment_artifact: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short_webhooks(cls, values: Any) -> Any:
        """`webhooks = ["https://..."]` is short for `[{ url = "https://..." }]`."""
        hooks = values.get("webhooks") if isinstance(values, Mapping) else None
        if isinstance(hooks, list | tuple):
            return {**values, "webhooks": [{"url": one} if isinstance(one, str) else one for one in hooks]}
        return values

    @model_validator(mode="after")
    def _some_entities(self) -> Options:
        if not self.entities:
            raise ValueError('name at least one entity: entities = { "Harbour Air" = ["HarbourAir"] }')
        return self
