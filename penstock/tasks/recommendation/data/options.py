"""What [products.NAME.options] may say of a recommender's data. It checks words and numbers, and reads no file."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, model_validator

from penstock.workspace.records import Record

MOST_TOP = 100
ITEM_FIELDS = ("item", "title", "text")


class RecommendationOptions(Record):
    """items: the file of items; item_columns: its columns for item, title and text where it names them otherwise;
    attributes: further columns of it that say what an item is.

    min_weight: rows of less weight are no interactions. leave_last: how many of each user's last interactions are the
    test; split_date: test on what happened from that day on instead. min_history: a tested user has at least so many
    interactions to learn from. max_user_rows: users with more are taken for programs. top: how many items an answer
    holds unless it is asked for more. click_weight, buy_weight: of feedback, in medians of the data's weights.
    repeats: items may be recommended to users who took them before (coffee, say, and not books).
    new_item_cost: the share of the nDCG of known items that new ones may take by being recommended.
    """

    items: str | None = None
    item_columns: dict[str, str] = Field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    min_weight: float | None = Field(default=None, allow_inf_nan=False)
    leave_last: int = Field(default=1, strict=True, ge=1, le=10)
    split_date: str | None = None
    min_history: int = Field(default=1, strict=True, ge=1)
    max_user_rows: int = Field(default=5_000, strict=True, ge=10)
    top: int = Field(default=10, strict=True, ge=1, le=MOST_TOP)
    click_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    buy_weight: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    repeats: bool = False
    new_item_cost: float = Field(default=0.02, ge=0, le=0.5, allow_inf_nan=False)

    @model_validator(mode="after")
    def _consistent(self) -> RecommendationOptions:
        for name in self.item_columns:
            if name not in ITEM_FIELDS:
                raise ValueError(f"item_columns names {name!r}; its fields are {', '.join(ITEM_FIELDS)}")
        if self.items is None and (self.item_columns or self.attributes):
            raise ValueError('item_columns and attributes describe the items file: name it, items = "data/items.csv"')
        if self.split_date is not None:
            _ = self.split_time
        return self

    @property
    def split_time(self) -> float | None:
        """The first moment of the split date in UTC, as seconds since 1970."""
        if self.split_date is None:
            return None
        try:
            moment = datetime.fromisoformat(self.split_date)
        except ValueError:
            raise ValueError(f"split_date is {self.split_date!r}, not a day such as 2026-11-01") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
