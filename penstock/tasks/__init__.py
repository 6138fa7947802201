"""What products do. A task says how its data become rows, what its models read and score, how they are measured, and
its wire format; its rungs are named here and trained elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput, NotFound
from penstock.datasets.rows import Prepared
from penstock.evaluation.measured import Measured
from penstock.models.protocol import Floats, Model, Part
from penstock.workspace.records import Product, Record

FACTS = ("epsilon", "fidelity")
"""What training may know of a model: the privacy it cost, how near its vectors are to those it was compressed from."""

COMMON_METRICS = ("latency_p50_ms", "latency_p95_ms", "cost_per_1000", "gross_margin", "parity", *FACTS)
"""What is measured of any product, and any gate may name."""


class NoOptions(Record):
    """A task without options of its own."""


def _no_correction(input: Any, correction: str) -> Mapping[str, Any]:
    raise BadInput("answers of this product cannot be corrected", where="correction", hint="send a rating instead")


@dataclass(frozen=True)
class Task:
    """A task by its registered name: a record of functions over its own rows (JSON objects) and inputs.

    unit: what one metered input is called. ladder: rungs, cheapest first. quality: the metrics that `measure` may give,
    the headline first. trivial: those of them for which `measure` tells what no model is needed for (see
    evaluation.trivial), the headline first: no gate lets a model pass that is not better. options: what
    [products.NAME.options] may say.
    prepare(product, folder, extra): read, clean and split; extra rows join train only. Raises BadInput at file:line.
    split(rows, product): rows of one part of a version, as its rungs train on them and `measure` reads them.
    inputs(split): what is asked of a model to measure it, in the order of its rows.
    measure(model, split, answers, seed): quality from the answers (n, labels) to `inputs(split)`.
    parse(inputs, model): the wire's inputs as the model reads them; raises BadInput naming `inputs[3].field`.
    render(model, input, scores): one answer (labels,) as the wire's output.
    probes(model): a few inputs that any model of this kind must answer, used before a release is served.
    explain(model, input, scores): what each part of an input, a text, adds to its answer, in the text's order, made in
    steps: it yields wherever others may have their turn, about once an answer of the model; None where answers cannot
    be explained so.
    correction(input, text): a customer's correction of one wire input as a row for `prepare`'s extra; raises BadInput.
    Cheap: it is also asked when the feedback is recorded, and what is costly waits for `prepare`.
    amend(model, content): the model with facts that need no training (an entry added, an item out of stock), or None
    where there are none; amendment_rows(content): the rows of it that the next training should learn from.
    example: the folder of examples/ that `penstock init --task` copies; make_data(folder): makes data not copied.
    section: the product's options and data for `penstock init --data`, in TOML; see workspace.create.
    input_schema, output_schema: JSON schemas of one input and one output. chinese: words of its report.
    uploads: files may be sent as they are (multipart, or one as the body); each becomes a base64 text input.
    labels(product, folder): the label of every row of the data as read, where the task classifies.
    multi_label: the same task for products whose inputs get any number of labels (options.multi_label); None where it
    has no such form. several_labels: this is that form. A correction may be a list, which `correction` gets as JSON.
    builds_on: options that name another product, whose live release the rungs build on; they get its artifact's digest
    as "OPTION_artifact" and load it by TrainRequest.load.
    """

    name: str
    unit: str
    ladder: tuple[str, ...]
    quality: tuple[str, ...]
    trivial: tuple[str, ...]
    prepare: Callable[[Product, Path, Sequence[Mapping[str, Any]]], Prepared]
    split: Callable[[Sequence[Mapping[str, Any]], Product], Any]
    inputs: Callable[[Any], Sequence[Any]]
    measure: Callable[[Model, Any, Floats, int], Measured]
    parse: Callable[[list[Any], Model], list[Any]]
    render: Callable[[Model, Any, Floats], dict[str, Any]]
    probes: Callable[[Model], list[Any]]
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    options: type[Record] = NoOptions
    explain: Callable[[Model, Any, Floats], Generator[None, None, Sequence[Part]]] | None = None
    correction: Callable[[Any, str], Mapping[str, Any]] = _no_correction
    amend: Callable[[Model, Mapping[str, Any]], Model] | None = None
    amendment_rows: Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]] = lambda content: ()
    example: str = ""
    make_data: Callable[[Path], None] = lambda folder: None
    section: str = ""
    chinese: Mapping[str, str] = field(default_factory=dict)
    uploads: bool = False
    labels: Callable[[Product, Path], Sequence[str]] | None = None
    builds_on: tuple[str, ...] = ()
    multi_label: Callable[[], Task] | None = None
    several_labels: bool = False

    @property
    def gate_metrics(self) -> tuple[str, ...]:
        """What a gate of this task's products may name."""
        return (*self.quality, *COMMON_METRICS)


def get(name: str) -> Task:
    """The task of that name. Raises NotFound, which lists the known ones."""
    for task in _tasks():
        if task.name == name:
            return task
    raise NotFound(f"unknown task {name!r}", hint=f"known tasks: {', '.join(names())}")


def of(product: Product) -> Task:
    """The product's task, in the form that its options ask for. Raises NotFound."""
    task = get(product.task)
    several = task.multi_label is not None and product.options.get("multi_label") is True
    return task.multi_label() if several and task.multi_label is not None else task


def names() -> tuple[str, ...]:
    """The names of all tasks."""
    return tuple(task.name for task in _tasks())


def _tasks() -> tuple[Task, ...]:
    from penstock.tasks.image_classification import TASK as image_classification
    from penstock.tasks.knowledge_answering import TASK as knowledge_answering
    from penstock.tasks.opinion_monitoring import TASK as opinion_monitoring
    from penstock.tasks.recommendation import TASK as recommendation
    from penstock.tasks.tabular import CLASSIFICATION as tabular_classification
    from penstock.tasks.tabular import REGRESSION as tabular_regression
    from penstock.tasks.text_classification import TASK as text_classification

    return (
        text_classification,
        knowledge_answering,
        opinion_monitoring,
        recommendation,
        image_classification,
        tabular_classification,
        tabular_regression,
    )
