"""The Task record: what a product does. A task says how its data become rows, what its models read and answer, how
they are measured, its wire format, and what else it brings: rungs, pages, tables, chores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

import sqlalchemy as sa

from penstock.core.errors import BadInput
from penstock.datasets.privacy import Privacy
from penstock.datasets.rows import Prepared, TaskRow
from penstock.evaluation.measured import Measured
from penstock.identity.belongings import Belonging
from penstock.models.protocol import Floats, Model, Opener, Part
from penstock.runtime.house import House as Context
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction
from penstock.workspace.records import Product, Record

if TYPE_CHECKING:  # a gateway knows tasks, and loads neither training code nor the console
    from penstock.console.guard import Route
    from penstock.training.records import Training

BackboneLoader: TypeAlias = Callable[[BlobStore, str, int], Any]
"""(blobs, digest, threads): loads a backbone of one kind."""

FACTS = ("epsilon", "fidelity")
"""What training may know of a model: the privacy it cost, how near its vectors are to those it was compressed from."""

COMMON_METRICS = ("latency_p50_ms", "latency_p95_ms", "cost_per_1000", "gross_margin", "parity", *FACTS)
"""What is measured of any product, and any gate may name."""


Form = Literal["text", "question", "document", "image", "table", "user", "json"]
"""What a person fills in to ask for one input."""


@dataclass(frozen=True)
class FormField:
    """A column of a table as a form's field."""

    # the column's name
    name: str
    # number", "category", … as the table's schema says
    kind: str
    # what training knew of a category
    options: Sequence[str] = ()
    # the least number seen in training
    low: float = 0.0
    # the greatest number seen in training
    high: float = 0.0


@dataclass(frozen=True)
class Chore:
    """What the office does in the background, again and again."""

    # one round; a failure is logged and waits for the next
    run: Callable[[Context], object]
    # seconds between two rounds
    pause_s: float


@dataclass(frozen=True)
class Office:
    """What a task adds to the office."""

    # what it does in the background
    chores: tuple[Chore, ...] = ()
    # runs before old answers are forgotten, so that nothing is lost that is still to be read from them
    before_forgetting: Callable[[Context], object] = lambda house: None
    # the routes of its pages in the console. Called by the office only
    pages: Callable[[], Sequence[Route]] = tuple
    # (path, title) of those in the console's menu
    menu: tuple[tuple[str, str], ...] = ()
    # the package whose templates/ those pages are drawn from
    templates: str = ""


@dataclass(frozen=True)
class CustomerData:
    """What a task's own tables keep of a customer: exported and erased with the rest."""

    # rows that belong to a customer: an export holds them
    belongings: tuple[Belonging, ...] = ()
    # tables that name a customer and are in no export, and why
    left_out: Mapping[str, str] = field(default_factory=dict)
    # tables with sealed columns: what a rotation of keys seals anew
    sealed: tuple[sa.Table, ...] = ()
    # by what they erase of a customer's words, in the order in which rows may go: (transaction, customer) -> how many
    # rows of one bounded page; 0: none is left
    erasers: Mapping[str, Callable[[Transaction, str], int]] = field(default_factory=dict)


SplitT = TypeVar("SplitT")
InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


class NoOptions(Record):
    """A task without options of its own."""


def _no_correction(input: Any, correction: str) -> TaskRow:
    raise BadInput("answers of this product cannot be corrected", where="correction", hint="send a rating instead")


def _no_training() -> Training:
    raise BadInput("models of this task cannot be trained here", hint="its package brings no training")


def _no_privacy(product: Product) -> Privacy | None:
    return None


def _whole(content: Mapping[str, Any], consenting: Collection[str], product: str) -> Mapping[str, Any]:
    return content


def _said_by_nobody(row: Mapping[str, Any], content: Mapping[str, Any]) -> Iterable[Collection[str]]:
    return ()


@dataclass(frozen=True)
class Task(Generic[SplitT, InputT, OutputT]):
    """A task: a record of functions over its own rows (JSON objects), inputs and splits, and of what else it brings.
    A package adds tasks by the entry-point group `penstock.tasks` (see `penstock.installed`).

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
    # how its models are trained and made cheaper. Called where something trains, never by a gateway: it may import
    # training code
    training: Callable[[], Training] = _no_training
    # how each kind of model that its rungs make is opened, by the kind's registered name
    kinds: Mapping[str, Opener] = field(default_factory=dict)
    # how each kind of backbone of its own is loaded, by the kind's registered name
    backbones: Mapping[str, BackboneLoader] = field(default_factory=dict)
    # the differential privacy that the product's options state for its rows
    privacy: Callable[[Product], Privacy | None] = _no_privacy
    # its answers are an estimate and the interval about it: (estimate, low, high)
    estimates: bool = False
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
    # (amendment, consenting customers, product): the amendment without the words of customers who consent to training
    # no more. Raises Conflict where nothing is left of a fact
    consented: Callable[[Mapping[str, Any], Collection[str], str], Mapping[str, Any]] = _whole
    # (row, amendment): for each text of the row that is a customer's words, the customers who said it
    said_by: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[Collection[str]]] = _said_by_nobody
    # the fields whose columns `penstock init --data` looks for in a file; empty: files say it by their form
    fields: tuple[str, ...] = ()
    # its files may lack a header: `penstock init --data` then tells a long text from a short label
    headerless: bool = False
    # its first field is text of some language, which a backbone must be able to read
    reads_language: bool = False
    # the folder of examples/ that `penstock init --task` copies
    example: str = ""
    # (folder): makes the example's data that are not copied
    make_data: Callable[[Path], None] = lambda folder: None
    # the product's options and data for `penstock init --data`, in TOML; see workspace.create
    section: str = ""
    # words of its report
    chinese: Mapping[str, str] = field(default_factory=dict)
    # how the playground asks for an input
    form: Form = "json"
    # the fields of a form of columns, as training found them
    form_fields: Callable[[Model], Sequence[FormField]] = lambda model: ()
    # files may be sent as they are (multipart, or one as the body); each becomes a base64 text input
    uploads: bool = False
    # (product, folder): the label of every row of the data as read, where the task classifies
    labels: Callable[[Product, Path], Sequence[str]] | None = None
    # (product) -> (cell, place): how a label cell of a data file is read, where it is not one label as it stands
    label_reader: Callable[[Product], Callable[[object, str], str]] | None = None
    # options that name another product, whose live release the rungs build on; they get its artifact's digest as
    # "OPTION_artifact" and load it by TrainRequest.load
    builds_on: tuple[str, ...] = ()
    # the same task for products whose inputs get any number of labels (options.multi_label); None: has no such form
    multi_label: Callable[[], AnyTask] | None = None
    # this is that form. A correction may be a list, which `correction` gets as JSON
    several_labels: bool = False
    # what it adds to the office: chores, pages
    office: Office = Office()
    # what its own tables keep of a customer
    customers: CustomerData = CustomerData()

    @property
    def gate_metrics(self) -> tuple[str, ...]:
        """What a gate of this task's products may name."""
        return (*self.quality, *COMMON_METRICS)


AnyTask: TypeAlias = Task[Any, Any, Any]
"""A task whose rows, inputs and outputs only it knows."""
