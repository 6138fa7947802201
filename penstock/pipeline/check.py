"""Checks a workspace against the packages that its words name: tasks, rungs, metrics, backbones, data files."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from penstock import installed
from penstock.core.errors import BadInput, PenstockError
from penstock.datasets.rows import Prepared
from penstock.evaluation.possible import impossible, unprovable
from penstock.evaluation.report import rows_digest
from penstock.pipeline.climb.attempts import options_of
from penstock.pipeline.climb.judging import check_test
from penstock.pipeline.privacy.stated import check_privacy, check_spending, gate_of, private_rungs, stated
from penstock.runtime.house import House
from penstock.runtime.tls import PARTS, server_context
from penstock.storage.engine import Transaction
from penstock.task import AnyTask
from penstock.training.records import TrainRequest, accepts
from penstock.workspace.loader import where
from penstock.workspace.records import Product, Workspace


def check_workspace(workspace: Workspace, house: House | None = None) -> list[dict[str, Any]]:
    """One row of facts per product. Raises BadInput listing everything that does not fit, each with its line.

    house: to tell, under "told", what `train` would refuse as things stand there.
    """
    problems: list[str] = []
    facts = []
    for part in PARTS:
        try:
            server_context(workspace, part)
        except BadInput as error:
            problems.append(str(error))
    for name, product in workspace.products.items():
        try:
            facts.append(_check_product(workspace, name, product, house))
        except PenstockError as error:
            problems.append(str(error))
    if problems:
        raise BadInput("\n".join(problems))
    return facts


def _check_product(workspace: Workspace, name: str, product: Product, house: House | None) -> dict[str, Any]:
    check_words(workspace, name, product)
    check_ladder(workspace, name, product)
    check_gate(workspace, name, product)
    prepared = installed.of(product).prepare(product, workspace.folder, ())
    _check_rungs(workspace, name, product, prepared)
    told = [*prepared.report.told(), *_not_provable(product, len(prepared.test))]
    if house is not None:
        told += _refused_as_things_stand(house, name, product, prepared)
    return {
        "product": name,
        "task": product.task,
        "train": len(prepared.train),
        "test": len(prepared.test),
        "ladder": list(ladder_of(product)),
        "gate": [str(condition) for condition in gate_of(product)],
        "told": told,
    }


def _check_rungs(workspace: Workspace, name: str, product: Product, prepared: Prepared) -> None:
    """Raises BadInput, with its line, for what a rung of the ladder would refuse once `train` comes to it."""
    ladder = [installed.rungs()[rung] for rung in ladder_of(product) if installed.rungs()[rung].check is not accepts]
    if not ladder:
        return
    train = installed.of(product).split(prepared.train, product)
    recipes = product.options.get("recipes", {})
    done: list[tuple[Any, Any]] = []
    for rung in ladder:
        recipe = recipes.get(rung.name, {})
        if (rung.check, recipe) in done:  # those of a table refuse the same
            continue
        done.append((rung.check, recipe))
        try:
            rung.check(TrainRequest(train=train, seed=product.seed, options=product.options, recipe=recipe))
        except BadInput as error:
            path = ("options", "recipes", rung.name) if recipe else ("options",) if product.options else ("ladder",)
            place = where(workspace.folder, "products", name, *path)
            told = f"{error.where}: {error.message}" if error.where else error.message
            raise BadInput(f"train will refuse {rung.name}: {told}", where=place, hint=error.hint) from None


def _not_provable(product: Product, rows: int) -> list[str]:
    """What `penstock train` would refuse of the gate, on a test of so many rows."""
    return [f"train will refuse this gate on this test: {why}" for why in unprovable(gate_of(product), rows)]


def _refused_as_things_stand(house: House, name: str, product: Product, prepared: Prepared) -> list[str]:
    """That what the product builds on is not live, and that its privacy or its test split is used up."""

    def builds(tx: Transaction) -> None:
        options_of(house, name)

    def privacy(tx: Transaction) -> None:
        check_spending(tx, name, product)

    def test(tx: Transaction) -> None:
        check_test(tx, name, rows_digest(prepared.test), product.most_test_uses, where="test")

    told = []
    for check in (builds, privacy, test):
        try:
            with house.store.read() as tx:
                check(tx)
        except PenstockError as error:
            told.append(f"train will refuse as things stand: {error.message} ({error.hint})")
    return told


def check_words(workspace: Workspace, name: str, product: Product) -> None:
    """The task, rungs, backbone and gate metrics of a product must exist. Raises BadInput naming the line."""
    task = _known_task(workspace, name, product)
    for rung in product.ladder:
        check_rung(product, rung, where(workspace.folder, "products", name, "ladder"))
    _check_options(workspace, name, product, task)
    check_privacy(product, product.ladder or ladder_of(product), where(workspace.folder, "products", name, "ladder"))
    for condition in product.gate:
        if condition.metric not in task.gate_metrics:
            raise BadInput(
                f"unknown metric {condition.metric!r}",
                where=where(workspace.folder, "products", name, "gate"),
                hint=f"metrics of {task.name}: {', '.join(task.gate_metrics)}",
            )


def check_ladder(workspace: Workspace, name: str, product: Product) -> None:
    """Raises BadInput where no rung is left to climb."""
    if not ladder_of(product):
        raise BadInput(
            "every rung of the ladder needs a backbone, and the product names none",
            where=where(workspace.folder, "products", name, "ladder"),
            hint='name one: backbone = "english", described in [backbones.english]; or add a rung that needs none',
        )


def check_rung(product: Product, rung: str, place: str) -> None:
    """Raises BadInput at `place` for a rung that the product's task has not; the hint lists those that it has."""
    task = installed.of(product)
    if (
        task.several_labels
        and rung not in task.ladder
        and rung in (*installed.get(task.name).ladder, *private_rungs(task))
    ):
        hint = f"rungs with multi_label = true: {', '.join(task.ladder)}"
        raise BadInput(f"the rung {rung!r} gives one label for a text, not several", where=place, hint=hint)
    known = (*task.ladder, *(() if task.several_labels else private_rungs(task)))
    if rung not in known:
        what = f"the rung {rung!r} is none of {task.name}" if rung in installed.rungs() else f"unknown rung {rung!r}"
        raise BadInput(what, where=place, hint=f"rungs of {task.name}: {', '.join(known)}")


def check_gate(workspace: Workspace, name: str, product: Product) -> None:
    """Raises BadInput naming the conditions of a gate that no model can meet. What is live does not ask."""
    wrong = impossible(product.gate)
    if wrong:
        place = where(workspace.folder, "products", name, "gate")
        raise BadInput(f"no model can pass this gate: {'; '.join(wrong)}", where=place, hint="correct the condition")


def _check_options(workspace: Workspace, name: str, product: Product, task: AnyTask) -> None:
    """What the task itself asks of [products.NAME.options]."""
    try:
        task.options(**product.options)
    except ValidationError as error:
        first = error.errors()[0]
        path = ("products", name, "options", *first["loc"])
        allowed = ", ".join(task.options.model_fields) or "none"
        hint = f"options of {task.name}: {allowed}" if first["type"] == "extra_forbidden" else ""
        message = "is not an option" if hint else first["msg"].removeprefix("Value error, ")
        raise BadInput(message, where=where(workspace.folder, *path), hint=hint) from None
    for rung in product.options.get("recipes", {}) if "recipes" in task.options.model_fields else ():
        check_rung(product, rung, where(workspace.folder, "products", name, "options", "recipes", rung))


def ladder_of(product: Product) -> tuple[str, ...]:
    """The rungs to try in order: the product's own ladder, or its task's, without those that lack a backbone. Where the
    product states privacy, only those that keep it."""
    ladder = product.ladder or installed.of(product).ladder
    if stated(product) is not None:
        private = private_rungs(installed.of(product))
        ladder = tuple(rung for rung in ladder if rung in private) or private
    return tuple(rung for rung in ladder if product.backbone is not None or not installed.rungs()[rung].needs_backbone)


def _known_task(workspace: Workspace, name: str, product: Product) -> AnyTask:
    try:
        return installed.of(product)
    except BadInput as error:
        place = where(workspace.folder, "products", name, "task")
        raise BadInput(error.message, where=place, hint=error.hint) from None
