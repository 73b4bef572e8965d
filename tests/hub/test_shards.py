"""Large weights are split into files of a size, and stay what they are."""

import json

import pytest
import torch
from safetensors.torch import load_file

from aullava.checkpoint.layout import INDEX, WEIGHTS, weight_files
from aullava.checkpoint.weights import check_weights
from aullava.configuration_aullava import AULlavaConfig
from aullava.hub.shards import check_size, plan_shards, split_weights
from aullava.modeling_aullava import AULlavaForConditionalGeneration

from tiny import make_tiny_checkpoint


def test_split_weights_are_the_same_and_in_files_of_the_size(tmp_path):
    checkpoint = make_tiny_checkpoint(tmp_path)
    before = load_file(checkpoint / WEIGHTS)
    *names, index = split_weights(checkpoint, "50KB")
    assert index == INDEX and len(names) > 2 and not (checkpoint / WEIGHTS).exists()
    assert weight_files(checkpoint) == sorted(names)
    parts = [load_file(checkpoint / name) for name in names]
    assert all(len(part) == 1 or sum(t.nbytes for t in part.values()) <= 50_000 for part in parts)
    after = {name: tensor for part in parts for name, tensor in part.items()}
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    written = json.loads((checkpoint / INDEX).read_text())
    assert written["weight_map"] == {key: name for name, part in zip(names, parts, strict=True) for key in part}
    assert written["metadata"]["total_size"] == sum(tensor.nbytes for tensor in before.values())
    check_weights(checkpoint, names)
    assert split_weights(checkpoint, "50KB") == []


def test_small_weights_stay_one_file(tmp_path):
    checkpoint = make_tiny_checkpoint(tmp_path)
    before = (checkpoint / WEIGHTS).read_bytes()
    assert split_weights(checkpoint) == [] and (checkpoint / WEIGHTS).read_bytes() == before


def test_seven_billion_weights_are_three_files_of_five_gigabytes_at_most():

    with torch.device("meta"):
        model = AULlavaForConditionalGeneration(AULlavaConfig())
    sizes = {name: 2 * tensor.numel() for name, tensor in model.state_dict().items()}  # bfloat16
    plan = plan_shards(sizes, "5GB")
    assert [*plan.filename_to_tensors] == [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    totals = [sum(sizes[name] for name in names) for names in plan.filename_to_tensors.values()]
    assert max(totals) <= 5e9 and sum(totals) == plan.metadata["total_size"] == sum(sizes.values()) > 14e9
    assert plan.tensor_to_filename.keys() == sizes.keys()


@pytest.mark.parametrize("size", ["", "5XB", "0", "much", "-1GB"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match="expected a size such as 5GB"):
        check_size(size)
