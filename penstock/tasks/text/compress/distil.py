"""The compression `distil.v1`: a student of a few layers, or a static table, taught by the model's own soft answers.

DistilBERT (Sanh et al. 2019, arXiv 1910.01108): alternate layers of the teacher, its answers and its vectors.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from penstock.core.errors import BadInput
from penstock.tasks.text.compress.cutting import alternate, layer_count, with_layers
from penstock.tasks.text.compress.student import Teacher, encoder_of, teach, teacher_of
from penstock.tasks.text.train import static
from penstock.tasks.text.train.tokens import WIDTH, token_table, tokenizer_of
from penstock.training.compress.records import CompressRequest
from penstock.training.extras import training_libraries
from penstock.training.loop import Recipe
from penstock.training.records import Trained

NAME = "distil.v1"
OPTIONS: dict[str, object] = {"student": "encoder", "layers": 2, "copies": 1.0}
RECIPE = Recipe(epochs=4.0, batch=32, peak=3e-4)
MOST_LAYERS, MOST_COPIES = 3, 4.0


def compress(request: CompressRequest) -> Trained:
    """A student of the source: `layers` of its encoder (1 to 3), or student = "static".

    copies: changed copies of the training rows that the teacher answers too, as a share of the rows. Raises BadInput
    for options that make no student or a model without an encoder, Unavailable without torch.
    """
    with training_libraries("distilling a model"):
        import torch  # noqa: F401
    began = time.perf_counter()
    told = {**OPTIONS, **request.options}
    student, layers, copies = str(told["student"]), told["layers"], told["copies"]
    if student not in ("encoder", "static"):
        raise BadInput(f'student must be "encoder" or "static", not {student!r}', where=NAME)
    if not (isinstance(layers, int) and 1 <= layers <= MOST_LAYERS):
        raise BadInput(f"layers must be 1 to {MOST_LAYERS}, not {layers!r}", where=NAME)
    if not (isinstance(copies, int | float) and 0 <= copies <= MOST_COPIES):
        raise BadInput(f"copies must be 0 to {MOST_COPIES:g} times the rows, not {copies!r}", where=NAME)
    if student == "static":
        recipes = static.recipes_of(request.recipe, NAME)
        made = _static(request, teacher_of(request, NAME, float(copies)), recipes, began)
        chosen = {"student": student, "copies": copies}
    else:
        recipe = RECIPE.changed(request.recipe, NAME)
        made = _encoder(request, layers, float(copies), recipe, began)
        chosen = {"student": student, "layers": layers, "copies": copies}
    return replace(made, parameters={**chosen, **made.parameters})


def _encoder(request: CompressRequest, layers: int, copies: float, recipe: Recipe, began: float) -> Trained:
    where = f"artifact {request.source_artifact[:12]}…"
    encoder = encoder_of(request, NAME)
    before = layer_count(encoder, where)
    if before <= layers:
        raise BadInput(
            f"the encoder has {before} layers, and a student of {layers} would not be smaller",
            where=where,
            hint=f"--set layers={before - 1}" if before > 1 else "--set student=static",
        )
    teacher = teacher_of(request, NAME, copies)
    chosen = alternate(before, layers)
    named = ", ".join(str(number + 1) for number in chosen)
    notes = (f"a student of {layers} of the encoder's {before} layers (begun as number {named})", *teacher.rows.notes)
    student = with_layers(encoder, chosen, where)
    return teach(request, teacher, student, recipe, NAME, began=began, notes=notes)


def _static(request: CompressRequest, teacher: Teacher, recipes: Sequence[Recipe], began: float) -> Trained:
    backbone, rows = teacher.model.backbone, teacher.rows
    folder = None if request.cache is None else request.cache.folder
    table, tokens = token_table(backbone, rows.texts, folder, WIDTH, request.progress)
    lesson = replace(teacher.lesson, vectors=None)  # pointing along the teacher's vectors changed nothing: 92.4, 92.5
    name = f"{NAME} {request.source_artifact}"  # a checkpoint is of one teacher
    run = static.Run(recipes, name, request.seed, request.progress, request.checkpoint)
    made = static.finish(run, rows, lesson, table, tokens, tokenizer_of(backbone), began)
    notes = ("a static student: a vector a token, no encoder", *made.notes)
    return replace(made, notes=notes, settings={**made.settings, "made_by": NAME})
