"""What products do. A task says how its data become rows, what its models read and score, how they are measured, and
its wire format; its rungs are named here and trained elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from penstock.core.errors import BadInput, NotFound
from penstock.datasets.rows import Prepared, TaskRow
from penstock.evaluation.measured import Measured
from penstock.models.protocol import Floats, Model, Part
from penstock.workspace.records import Product, Record

FACTS = ("epsilon", "fidelity")
"""What training may know of a model: the privacy it cost, how near its vectors are to those it was compressed from."""

COMMON_METRICS = ("latency_p50_ms", "latency_p95_ms", "cost_per_1000", "gross_margin", "parity", *FACTS)
"""What is measured of any product, and any gate may name."""


SplitT = TypeVar("SplitT")
InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


class NoOptions(Record):
    """A task without options of its own."""


def _no_correction(input: Any, correction: str) -> TaskRow:
    raise BadInput("answers of this product cannot be corrected", where="correction", hint="send a rating instead")


@dataclass(frozen=True)
class Task(Generic[SplitT, InputT, OutputT]):
    """A task: a record of functions over its own rows (JSON objects), inputs and splits.

    A split is one part of a version, as the task's rungs train on it and `measure` reads it.
    """

    # its registered name
    name: str
    # what one metered input is called
    unit: str
    # rungs, cheapest first
    ladder: tuple[str, ...]
    # the metrics that `measure` may give, the headline first
    quality: tuple[str, ...]
    # those of them for which `measure` tells what no model is needed for (see evaluation.trivial), the headline first:
    # no gate lets a model pass that is not better
    trivial: tuple[str, ...]
    # (product, folder, extra): read, clean and split; extra rows join train only. Raises BadInput at file:line
    prepare: Callable[[Product, Path, Sequence[TaskRow]], Prepared]
    # (rows, product): the split that they make
    split: Callable[[Sequence[TaskRow], Product], SplitT]
    # (split): what is asked of a model to measure it, in the order of its rows
    inputs: Callable[[SplitT], Sequence[InputT]]
    # (model, split, answers, seed): quality from the answers (n, labels) to `inputs(split)`
    measure: Callable[[Model, SplitT, Floats, int], Measured]
    # (inputs, model): the wire's inputs as the model reads them; raises BadInput naming `inputs[3].field`
    parse: Callable[[list[Any], Model], list[InputT]]
    # (model, input, scores): one answer (labels,) as the wire's output
    render: Callable[[Model, InputT, Floats], OutputT]
    # (model): a few inputs that any model of this kind must answer, used before a release is served
    probes: Callable[[Model], list[InputT]]
    # JSON schema of one input
    input_schema: Mapping[str, Any]
    # JSON schema of one output
    output_schema: Mapping[str, Any]
    # what [products.NAME.options] may say
    options: type[Record] = NoOptions
    # (model, input, scores): what each part of an input, a text, adds to its answer, in the text's order, made in
    # steps: it yields wherever others may have their turn, about once an answer of the model; None: cannot be explained
    explain: Callable[[Model, InputT, Floats], Generator[None, None, Sequence[Part]]] | None = None
    # (input, text): a customer's correction of one wire input as a row for `prepare`'s extra; raises BadInput. Cheap:
    # it is also asked when the feedback is recorded, and what is costly waits for `prepare`
    correction: Callable[[Any, str], TaskRow] = _no_correction
    # (model, content): the model with facts that need no training (an entry added, an item out of stock); None: none
    amend: Callable[[Model, Mapping[str, Any]], Model] | None = None
    # (content): the rows of an amendment that the next training should learn from
    amendment_rows: Callable[[Mapping[str, Any]], Sequence[TaskRow]] = lambda content: ()
    # the folder of examples/ that `penstock init --task` copies
    example: str = ""
    # (folder): makes the example's data that are not copied
    make_data: Callable[[Path], None] = lambda folder: None
    # the product's options and data for `penstock init --data`, in TOML; see workspace.create
    section: str = ""
    # words of its report
    chinese: Mapping[str, str] = field(default_factory=dict)
    # files may be sent as they are (multipart, or one as the body); each becomes a base64 text input
    uploads: bool = False
    # (product, folder): the label of every row of the data as read, where the task classifies
    labels: Callable[[Product, Path], Sequence[str]] | None = None
    # options that name another product, whose live release the rungs build on; they get its artifact's digest as
    # "OPTION_artifact" and load it by TrainRequest.load
    builds_on: tuple[str, ...] = ()
    # the same task for products whose inputs get any number of labels (options.multi_label); None: has no such form
    multi_label: Callable[[], AnyTask] | None = None
    # this is that form. A correction may be a list, which `correction` gets as JSON
    several_labels: bool = False

    @property
    def gate_metrics(self) -> tuple[str, ...]:
        """What a gate of this task's products may name."""
        return (*self.quality, *COMMON_METRICS)


AnyTask: TypeAlias = Task[Any, Any, Any]
"""A task whose rows, inputs and outputs only it knows."""


def get(name: str) -> AnyTask:
    """The task of that name. Raises NotFound, which lists the known ones."""
    for task in _tasks():
        if task.name == name:
            return task
    raise NotFound(f"unknown task {name!r}", hint=f"known tasks: {', '.join(names())}")


def of(product: Product) -> AnyTask:
    """The product's task, in the form that its options ask for. Raises NotFound."""
    task = get(product.task)
    several = task.multi_label is not None and product.options.get("multi_label") is True
    return task.multi_label() if several and task.multi_label is not None else task


def names() -> tuple[str, ...]:
    """The names of all tasks."""
    return tuple(task.name for task in _tasks())


def _tasks() -> tuple[AnyTask, ...]:
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
