"""Weights that a stranger could not load as they were are refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from aullava.checkpoint.layout import WEIGHTS, embedded_checkpoint, weight_files
from aullava.checkpoint.weights import check_weights

from tiny import TOWERS, make_tiny_checkpoint

HEAD = "lm_head.weight"
LAYER = "model.language_model.layers.0.mlp.down_proj.weight"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("whole") / "tiny")


@pytest.fixture
def checkpoint(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "tiny")


def edit(checkpoint: Path, **tensors: torch.Tensor | None) -> None:
    """Replace tensors, or take them out."""
    held = load_file(checkpoint / WEIGHTS) | {name: tensor for name, tensor in tensors.items() if tensor is not None}
    kept = {name: tensor for name, tensor in held.items() if tensors.get(name, tensor) is not None}
    save_file(kept, checkpoint / WEIGHTS, metadata={"format": "pt"})


@pytest.mark.parametrize("tower", TOWERS)
def test_whole_weights_pass(tower, tmp_path):
    check_weights(make_tiny_checkpoint(tmp_path, tower), [WEIGHTS])


def test_the_embedded_weights_pass():
    check_weights(embedded_checkpoint(), weight_files(embedded_checkpoint()))


def test_missing_and_unknown_keys_and_other_shapes_are_refused(checkpoint):
    held = load_file(checkpoint / WEIGHTS)
    edit(checkpoint, **{LAYER: None})
    with pytest.raises(ValueError, match=f"no weights for {LAYER}, which would be random"):
        check_weights(checkpoint, [WEIGHTS])
    edit(checkpoint, **{LAYER: held[LAYER], "optimizer.step": torch.zeros(1)})
    with pytest.raises(ValueError, match="no place for: optimizer.step"):
        check_weights(checkpoint, [WEIGHTS])
    edit(checkpoint, **{LAYER: held[LAYER].T.contiguous(), "optimizer.step": None})
    with pytest.raises(ValueError, match=f"{LAYER} has shape"):
        check_weights(checkpoint, [WEIGHTS])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused(value, checkpoint):
    broken = load_file(checkpoint / WEIGHTS)[LAYER]
    broken[-1, -1] = value
    edit(checkpoint, **{LAYER: broken})
    with pytest.raises(ValueError, match=f"NaN or infinite values in {LAYER}"):
        check_weights(checkpoint, [WEIGHTS])


def test_a_tied_head_may_be_left_out_and_an_untied_one_may_not(checkpoint):
    edit(checkpoint, **{HEAD: None})
    with pytest.raises(ValueError, match=HEAD):
        check_weights(checkpoint, [WEIGHTS])
    config = json.loads((checkpoint / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (checkpoint / "config.json").write_text(json.dumps(config))
    check_weights(checkpoint, [WEIGHTS])
