"""What [products.NAME.options] may say where texts get labels. It checks words and numbers, not what rungs exist."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from penstock.core.errors import BadInput
from penstock.datasets.out_of_scope import OutOfScope
from penstock.datasets.privacy import Privacy
from penstock.workspace.records import Product
from penstock.workspace.values import Ratio


class TextOptions(OutOfScope):
    """suspect_labels: what becomes of training rows whose label looks wrong. augment: changed copies to add, as a share
    of the rows. class_weights: "balanced" makes every label count alike. robust_rows: test rows that the robustness
    section changes, 0 for none. recipes: hyper-parameters by rung. ensemble: of so many seeds of full.v1 and blend.v1
    the weights are averaged. privacy: what private rungs promise. label_names: each label's own words become a training
    row, which helps where rows are few. abstain: the answer may be "unsure", by a threshold found on held-out training
    rows, and on the out_of_scope texts where the product names a file of them. group, time: a column to split by:
    all rows of a group on one side, or the latest rows to test. refit: once the gate has said yes, the recipe is
    trained again on the test rows too, and a release serves that. max_unreadable: the share of a file's rows that may
    be left out because they cannot be read, named in the cleaning report. multi_label: a text has any number of labels,
    or none; label_separator: the sign between them in a cell."""

    suspect_labels: Literal["keep", "down-weight", "remove"] = "keep"
    augment: float = Field(default=0.0, ge=0, le=4, allow_inf_nan=False)
    class_weights: Literal["none", "balanced"] = "none"
    robust_rows: int = Field(default=300, strict=True, ge=0, le=2_000)
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    ensemble: int = Field(default=1, strict=True, ge=1, le=10)
    privacy: Privacy | None = None
    label_names: bool = Field(default=False, strict=True)
    max_unreadable: Ratio = Field(default=0.0, strict=True, ge=0, lt=1)
    abstain: bool = Field(default=False, strict=True)
    refit: bool = Field(default=False, strict=True)
    group: str | None = Field(default=None, min_length=1)
    time: str | None = Field(default=None, min_length=1)
    multi_label: bool = Field(default=False, strict=True)
    label_separator: str = "|"

    @model_validator(mode="after")
    def _consistent(self) -> TextOptions:
        if self.refit and self.privacy is not None:
            raise ValueError("refit learns from the test rows, which would cost privacy: leave one of the two out")
        if self.group and self.time:
            raise ValueError("group and time are two ways to split: leave one of them out")
        asked = sorted(self.model_fields_set & OutOfScope.model_fields.keys())
        if asked and not self.abstain:
            raise ValueError(f"{asked[0]} needs abstain = true")
        if self.abstain and self.privacy is not None:
            raise ValueError("abstain reads held-out rows, which would cost privacy: leave one of the two out")
        return self

    @model_validator(mode="after")
    def _several(self) -> TextOptions:
        if not self.multi_label and "label_separator" in self.model_fields_set:
            raise ValueError("label_separator needs multi_label = true")
        if not re.fullmatch(r'[^\w\s"\[\]]', self.label_separator):
            raise ValueError("label_separator is one sign, and no letter, digit, blank, quote or square bracket")
        for name, why in _OF_ONE_LABEL.items() if self.multi_label else ():
            if getattr(self, name) != TextOptions.model_fields[name].default:
                raise ValueError(f"{name} does not go with multi_label: {why}; leave one of the two out")
        return self


_ONE = "it is for texts with one label"
_OF_ONE_LABEL = {
    "abstain": "a text that no label fits gets no label there anyway",
    "privacy": "no rung for several labels keeps it",
    "suspect_labels": _ONE,
    "augment": _ONE,
    "class_weights": "each label is learned by itself, with a threshold of its own",
    "ensemble": _ONE,
    "label_names": _ONE,
}
"""What multi_label rules out, and why."""


def read_options(given: Mapping[str, Any]) -> TextOptions:
    """The options as written. Raises BadInput for what is none."""
    try:
        return TextOptions(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(first["msg"], where=".".join(map(str, ("options", *first["loc"])))) from None


def privacy_of(product: Product) -> Privacy | None:
    """The differential privacy that the product's options state; they were checked before."""
    stated = product.options.get("privacy")
    return None if stated is None else Privacy.model_validate(stated)
