"""Cuts an encoder: fewer layers, fewer words. It knows no data, and leaves the encoder it was given as it was."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from penstock.core.errors import BadInput
from penstock.training.onnx_export import Encoder

_LAYERS = (("encoder", "layer"), ("transformer", "layer"), ("encoder", "layers"))
_COUNTS = ("num_hidden_layers", "n_layers")


def layer_count(encoder: Encoder, where: str) -> int:
    """How many layers there are. Raises BadInput for an encoder built otherwise than BERT."""
    return len(_layers(encoder.module.model, where))


def with_layers(encoder: Encoder, kept: Sequence[int], where: str) -> Encoder:
    """A copy with these of its layers, in this order."""
    import torch

    module = copy.deepcopy(encoder.module)
    layers = _layers(module.model, where)
    chosen = torch.nn.ModuleList([layers[number] for number in kept])
    for owner, name in _LAYERS:
        holder = getattr(module.model, owner, None)
        if holder is not None and getattr(holder, name, None) is layers:
            setattr(holder, name, chosen)
    for name in _COUNTS:
        if getattr(module.model.config, name, None) is not None:
            setattr(module.model.config, name, len(kept))
    return Encoder(module, encoder.hidden)


def alternate(layers: int, kept: int) -> tuple[int, ...]:
    """Layers spread evenly, the last always among them: of 6, 3 are the 2nd, 4th and 6th."""
    return tuple(round((number + 1) * layers / kept) - 1 for number in range(kept))


def why_whole(tokenizer_json: bytes) -> str:
    """Why no words can be taken out of this tokenizer's vocabulary; "" where they can."""
    kind = json.loads(tokenizer_json)["model"].get("type")
    if kind == "WordPiece":
        return ""
    return f"the vocabulary of a {kind} tokenizer cannot be pruned; only WordPiece (BERT) can"


def smaller_vocabulary(tokenizer_json: bytes, seen: set[int], where: str) -> tuple[bytes, list[int]]:
    """The tokenizer without the words that were not seen, and the old numbers of those that stay, in the new order.

    Marks, added tokens and single characters stay, so that any text can still be spelt. A text all of whose tokens were
    seen is cut into the same ones as before: the longest match that was taken is still there, and none is longer.
    Raises BadInput for a tokenizer that is not WordPiece: others merge by rules that a smaller vocabulary breaks.
    """
    if why := why_whole(tokenizer_json):
        raise BadInput(why, where=where, hint="prune layers only: --set vocabulary=false")
    whole: dict[str, Any] = json.loads(tokenizer_json)
    model = whole["model"]
    prefix, vocabulary = model["continuing_subword_prefix"], model["vocab"]
    always = {token["id"] for token in whole.get("added_tokens") or ()} | {vocabulary.get(model["unk_token"])}
    kept = sorted(
        number
        for word, number in vocabulary.items()
        if number in seen or number in always or len(word.removeprefix(prefix)) <= 1
    )
    kept = sorted({*kept, *(number for number in always if number is not None)})
    new = {old: number for number, old in enumerate(kept)}
    model["vocab"] = {word: new[number] for word, number in vocabulary.items() if number in new}
    for token in whole.get("added_tokens") or ():
        token["id"] = new[token["id"]]
    _renumber_marks(whole.get("post_processor"), new)
    if whole.get("padding"):
        whole["padding"]["pad_id"] = new.get(whole["padding"]["pad_id"], 0)
    return json.dumps(whole, ensure_ascii=False, sort_keys=True).encode(), kept


def with_words(encoder: Encoder, kept: Sequence[int]) -> Encoder:
    """A copy whose embeddings are those of these words, in this order."""
    import torch

    module = copy.deepcopy(encoder.module)
    before = module.model.get_input_embeddings()
    after = torch.nn.Embedding(len(kept), before.embedding_dim)
    with torch.no_grad():
        after.weight.copy_(before.weight[list(kept)])
    module.model.set_input_embeddings(after)
    config = module.model.config
    config.vocab_size = len(kept)
    padding = getattr(config, "pad_token_id", None)
    config.pad_token_id = kept.index(padding) if padding in kept else None
    return Encoder(module, encoder.hidden)


def _layers(model: Any, where: str) -> Any:
    for owner, name in _LAYERS:
        found = getattr(getattr(model, owner, None), name, None)
        if found is not None:
            return found
    raise BadInput(
        f"the layers of a {type(model).__name__} cannot be told apart",
        where=where,
        hint="use an encoder of the BERT family",
    )


def _renumber_marks(processor: Any, new: dict[int, int]) -> None:
    """The numbers of the marks inside a post-processor: BERT's own kind, a template, or a sequence of them."""
    if not isinstance(processor, dict):
        return
    for name in ("sep", "cls"):
        if isinstance(processor.get(name), list):
            processor[name] = [processor[name][0], new[processor[name][1]]]
    special = processor.get("special_tokens")
    if isinstance(special, dict):
        for token in special.values():
            token["ids"] = [new[number] for number in token["ids"]]
    for part in processor.get("processors") or ():
        _renumber_marks(part, new)
