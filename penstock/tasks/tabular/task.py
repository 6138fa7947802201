"""`tabular-classification` and `tabular-regression`: a risk, or a value, from the columns of a table's row.

It knows the wire; how rows are read and watched for leaks, datasets.tabular knows.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.core.errors import BadInput, Broken, Unavailable
from penstock.core.installing import install_hint
from penstock.datasets.rows import Prepared
from penstock.evaluation.measured import Measured
from penstock.models.protocol import Floats, Model
from penstock.task import FormField, Task
from penstock.tasks.tabular import measure as measures
from penstock.tasks.tabular.data.options import ClassificationOptions, RegressionOptions, TableOptions
from penstock.tasks.tabular.data.preparing import labels_of, prepare
from penstock.tasks.tabular.data.schema import TableSplit, Values, split_of
from penstock.tasks.tabular.data.served import value_of
from penstock.tasks.tabular.data.targets import target_of
from penstock.tasks.tabular.model import KINDS, Tabular
from penstock.tasks.tabular.model.tabular import ESTIMATE, RUNGS
from penstock.workspace.records import Product

if TYPE_CHECKING:
    from penstock.training.records import Training

REASONS = 5
MOST_KEYS = 2_000
CHINESE = {
    "auc": "AUC",
    "brier": "Brier 分数",
    "expected_cost": "每行期望成本",
    "r2": "R²",
    "mae": "平均绝对误差",
    "rmse": "均方根误差",
    "coverage": "区间覆盖率",
    "interval_width": "区间平均宽度",
    "What decides": "哪些列起作用",
    "mean size of what a column adds, over test rows": "各列在测试行上贡献的平均大小",
    "column": "列",
    "share": "占比",
    "mean effect (log-odds)": "平均影响（对数几率）",
    "mean effect (value)": "平均影响（目标单位）",
    "Decisions": "决策",
    "the positive label is decided on where its probability reaches the threshold": "概率达到阈值时判为正类",
    "Fairness": "公平性",
    "last row: the largest difference between groups of at least 30 rows": "末行：至少 30 行的各组之间的最大差异",
    "decision": "决策方式",
    "threshold": "阈值",
    "cost a row": "每行成本",
    "decided positive": "判为正类",
    "found of the positive": "正类检出率",
    "false alarms": "误报率",
    "Errors by size": "按估计值大小看误差",
    "bands of the estimate, each with as many rows": "按估计值分段，每段行数相同",
    "estimate": "估计值",
    "rows": "行数",
    "mean absolute error": "平均绝对误差",
    "mean error": "平均误差",
    "group": "组",
    "truly positive": "实际正类",
    "mean probability": "平均概率",
    "found": "检出率",
    "COLUMNS LEFT OUT: THEY PREDICT THE TARGET TOO WELL": "因预测力好得可疑而去掉的列",
    "columns kept although they predict the target too well": "预测力好得可疑但仍保留的列",
    "AUC # alone": "单独 AUC #",
    "R² # alone": "单独 R² #",
    "AUC # alone, # of all other columns, # together": "单独 AUC #，其余各列合计 #，全部合计 #",
    "R² # alone, # of all other columns, # together": "单独 R² #，其余各列合计 #，全部合计 #",
    "# in # of # rows": "# 出现在 # / # 行中",
    "# zeros, far below every other value": "# 个零，远低于其他所有值",
    "# categories, more than #": "# 个类别，多于 #",
    "known only afterwards": "事后才知道",
    "always empty": "始终为空",
    "always the same": "始终相同",
    "an identifier": "标识符",
    "an identifier or free text": "标识符或自由文本",
    "an identifier or codes": "标识符或代码",
    "free text": "自由文本",
    "digits with leading zeros": "带前导零的数字",
    "columns known only afterwards": "事后才知道的列",
    "columns that are no inputs": "不作输入的列",
    "columns whose zeros look like missing values": "零像是缺失值的列",
    "columns whose cells look like missing values": "单元格像是缺失值的列",
    "columns of digits with leading zeros": "带前导零的数字代码列",
    "columns whose numbers or dates are written otherwise": "数字或日期写法特殊的列",
    "rows without a target": "没有目标值的行",
    "values of categories that train lacks": "训练数据中没有的类别值",
    "feedback rows that do not fit the columns": "与列不符的反馈行",
}
_SECTION = """\
{test_line}
options = {{ target = "target" }}   # the column to predict; docs/reference/tasks/tabular.md says what else
# Only a candidate that meets all of these is released; a bound must hold for the whole confidence interval.
gate = {{ GATE, latency_p95_ms = "<= 20", gross_margin = ">= 0.70" }}
"""


def prepare_table(
    options: type[TableOptions], labels: bool, product: Product, folder: Path, extra: Sequence[Mapping[str, Any]]
) -> Prepared:
    """Rows of the product's table, cleaned and split. Raises BadInput at file:line, and for columns that leak."""
    return prepare(product, folder, extra, options(**product.options), labels=labels)


def table_labels(product: Product, folder: Path) -> list[str]:
    """The label of every row of the data as read. Raises BadInput at file:line."""
    return labels_of(product, folder, ClassificationOptions(**product.options))


def split(rows: Sequence[Mapping[str, Any]], product: Product) -> TableSplit:
    """Inputs and targets, with the columns whose groups are compared."""
    return split_of(rows, tuple(product.options.get("fairness", ())))


def measure_risks(model: Model, test: TableSplit, answers: Floats, seed: int) -> Measured:
    """AUC and all that risks are measured by."""
    return measures.measure_risks(_tabular(model), test, answers, seed)


def measure_estimates(model: Model, test: TableSplit, answers: Floats, seed: int) -> Measured:
    """R², errors, and whether the intervals hold their coverage."""
    return measures.measure_estimates(_tabular(model), test, answers, seed)


def parse(inputs: list[Any], model: Model) -> list[Values]:
    """Each input as typed values of the model's columns. Raises BadInput naming the field: inputs[3].age.

    Every column must be there; null is taken where training rows lacked it too. Other keys are not read.
    """
    columns = _tabular(model).schema.columns
    known = {column.name for column in columns}
    parsed: list[Values] = []
    for index, row in enumerate(inputs):
        where = f"inputs[{index}]"
        if not isinstance(row, dict):
            raise BadInput("an input must be an object of columns", where=where, hint='send {"column": value, ...}')
        if len(row) > MOST_KEYS:
            raise BadInput(f"has {len(row):,} keys; at most {MOST_KEYS:,} are read", where=where)
        for column in columns:
            if column.name not in row:
                hint = "send every column of the training data" + _similar(column.name, row, known)
                raise BadInput(f"the column {column.name!r} is missing", where=f"{where}.{column.name}", hint=hint)
        parsed.append({c.name: value_of(row[c.name], c, f"{where}.{c.name}") for c in columns})
    return parsed


def render_risk(model: Model, values: Values, probabilities: Floats) -> dict[str, Any]:
    """The likeliest label, every label's probability, the decision that costs least, and what speaks for it.

    Reasons are in log-odds of the label in `explains`: of two the positive one, of more the one decided on.
    """
    table = _tabular(model)
    best = int(probabilities.argmax())
    decided = table.decide(probabilities)
    explained = 1 if len(table.offset) == 1 else decided
    return {
        "label": table.labels[best],
        "probability": _rounded(probabilities[best]),
        "decision": table.labels[decided],
        "probabilities": {name: _rounded(p) for name, p in zip(table.labels, probabilities, strict=True)},
        "explains": table.labels[explained],
        "reasons": _reasons(table, values, 0 if len(table.offset) == 1 else decided),
    }


def render_estimate(model: Model, values: Values, estimate: Floats) -> dict[str, Any]:
    """The value, its interval, and what moves it, in the value's own units."""
    value, low, high = (float(f"{float(each):.9g}") for each in estimate)
    return {"value": value, "low": low, "high": high, "reasons": _reasons(_tabular(model), values, 0)}


def probes(model: Model) -> list[Values]:
    """Rows at both ends of every column, and one with all that may be missing missing."""
    columns = _tabular(model).schema.columns
    ends: list[Values] = [
        {c.name: c.categories[end] if c.kind == "category" else _end(c.kind, c.low, c.high, end) for c in columns}
        for end in (0, -1)
    ]
    lacking = {c.name: None if c.missing > 0 else ends[0][c.name] for c in columns}
    return [*ends, lacking]


def correction(labels: bool, row: Any, text: str) -> Mapping[str, Any]:
    """A customer's true label or number for its row, as a row for train."""
    if not isinstance(row, dict):
        raise BadInput("this product's inputs are objects of columns", where="inputs")
    target = target_of(text, "correction", label=labels)
    if target is None:
        raise BadInput("the correction must say the true label or number", where="correction")
    return {"values": row, "target": target}


def write_breast_cancer(folder: Path) -> None:
    """scikit-learn's breast cancer rows (569, Wisconsin, 1995) as data/breast-cancer.csv, with the diagnosis."""
    bunch = _library().load_breast_cancer()
    names = [name.replace(" ", "_") for name in bunch.feature_names]
    targets = [str(bunch.target_names[each]) for each in bunch.target]
    _write(folder / "data" / "breast-cancer.csv", [*names, "diagnosis"], bunch.data, targets)


def write_diabetes(folder: Path) -> None:
    """scikit-learn's diabetes rows (442, Efron et al. 2004), unscaled, as data/diabetes.csv."""
    bunch = _library().load_diabetes(scaled=False)
    names = ["age", "sex", "bmi", "blood_pressure", "tc", "ldl", "hdl", "tch", "ltg", "glucose"]
    sexes = {1.0: "one", 2.0: "two"}  # the source does not say which is which
    rows = [[sexes[v] if n == "sex" else f"{v:g}" for n, v in zip(names, row, strict=True)] for row in bunch.data]
    _write(folder / "data" / "diabetes.csv", [*names, "progression"], rows, [f"{each:g}" for each in bunch.target])


def _library() -> Any:
    try:
        from sklearn import datasets
    except ModuleNotFoundError:
        message = "the example's rows come with scikit-learn, which is not installed"
        raise Unavailable(message, hint=install_hint("train")) from None
    return datasets


def _write(path: Path, header: Sequence[str], rows: Any, targets: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row, target in zip(rows, targets, strict=True):
            writer.writerow([each if isinstance(each, str) else f"{each:g}" for each in row] + [target])


def _tabular(model: Model) -> Tabular:
    if not isinstance(model, Tabular):
        raise Broken("is no model of a table", where=model.kind)
    return model


def _reasons(model: Tabular, values: Values, output: int) -> list[dict[str, Any]]:
    found = [reason for reason in model.reasons(values, output)[:REASONS] if reason.effect]
    return [{"column": r.column, "value": r.value, "effect": float(f"{r.effect:.4g}")} for r in found]


def _end(kind: str, low: float, high: float, end: int) -> float | str:
    from datetime import date

    from penstock.tasks.tabular.data.schema import EPOCH

    at = low if end == 0 else high
    return at if kind == "number" else date.fromordinal(EPOCH + int(at)).isoformat()


def _similar(name: str, row: Mapping[str, Any], known: Collection[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, [str(key) for key in list(row)[:200] if key not in known], 1)
    return f"; is {close[0]!r} meant for it?" if close else ""


def _rounded(probability: np.float32) -> float:
    return round(float(probability), 6)


def _reasons_schema() -> dict[str, Any]:
    item = {
        "type": "object",
        "required": ["column", "value", "effect"],
        "properties": {"column": {"type": "string"}, "value": {}, "effect": {"type": "number"}},
    }
    return {"type": "array", "maxItems": REASONS, "items": item}


def _output_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    every = {**properties, "reasons": _reasons_schema()}
    return {"type": "object", "required": list(every), "properties": every}


_INPUT = {
    "type": "object",
    "description": "every column of the training data by its name: a number, a text, or null where it was missing too",
    "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
}
_NUMBER = {"type": "number"}


def form_fields(model: Model) -> Sequence[FormField]:
    """The columns as training found them."""
    if not isinstance(model, Tabular):
        return ()
    return [FormField(one.name, one.kind, one.categories, one.low, one.high) for one in model.schema.columns]


def _training() -> Training:
    from penstock.tasks.tabular.train import TRAINING

    return TRAINING


CLASSIFICATION = Task(
    name="tabular-classification",
    unit="decision",
    ladder=RUNGS,
    quality=measures.CLASSIFICATION,
    trivial=measures.CLASSIFICATION_TRIVIAL,
    prepare=partial(prepare_table, ClassificationOptions, True),
    split=split,
    inputs=lambda test: test.inputs,
    measure=measure_risks,
    parse=parse,
    render=render_risk,
    probes=probes,
    options=ClassificationOptions,
    form="table",
    form_fields=form_fields,
    fields=("target",),
    training=_training,
    kinds=KINDS,
    correction=partial(correction, True),
    labels=table_labels,
    example="risk",
    section=_SECTION.replace("GATE", 'auc = ">= 0.70"'),
    make_data=write_breast_cancer,
    input_schema=_INPUT,
    output_schema=_output_schema(
        {
            "label": {"type": "string"},
            "probability": _NUMBER,
            "decision": {"type": "string"},
            "probabilities": {"type": "object", "additionalProperties": _NUMBER},
            "explains": {"type": "string"},
        }
    ),
    chinese=CHINESE,
)

REGRESSION = Task(
    name="tabular-regression",
    unit="estimate",
    ladder=RUNGS,
    quality=measures.REGRESSION,
    trivial=measures.REGRESSION_TRIVIAL,
    prepare=partial(prepare_table, RegressionOptions, False),
    split=split,
    inputs=lambda test: test.inputs,
    measure=measure_estimates,
    parse=parse,
    render=render_estimate,
    probes=probes,
    options=RegressionOptions,
    form="table",
    form_fields=form_fields,
    fields=("target",),
    training=_training,
    kinds=KINDS,
    estimates=True,
    correction=partial(correction, False),
    example="progression",
    section=_SECTION.replace("GATE", 'r2 = ">= 0.20", coverage = ">= 0.80"'),
    make_data=write_diabetes,
    input_schema=_INPUT,
    output_schema=_output_schema(dict.fromkeys(ESTIMATE, _NUMBER)),
    chinese=CHINESE,
)

TASKS = (CLASSIFICATION, REGRESSION)
