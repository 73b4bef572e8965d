"""A branch of the token tree computes what it would compute in a forward pass of its own, and sees no other branch."""

import numpy as np
import pytest
import torch
from transformers import DynamicCache, StaticCache

from aullava.tree_aullava import TokenTree, compute_prefix

from tiny import FACES, count_passes, tiny_model

A, B, C = np.array([[30, 31, 32]] * 2), np.array([[40, 41]] * 2), np.array([[50]] * 2)


@pytest.fixture(scope="module")
def parts():
    model, processor = tiny_model()
    inputs = processor.encode(FACES[:2], ["short", "a longer question"])
    assert not inputs["attention_mask"].all()
    return model, inputs


def started(model, inputs, cache=None):
    features = model.get_image_features(pixel_values=inputs["pixel_values"])
    tree = TokenTree(model, 2, features, cache)
    return tree, tree.add(tree.root, inputs["input_ids"].numpy(), inputs["attention_mask"].numpy().astype(bool))


def plain(model, inputs, row, *runs):
    """Logits behind prompt and runs of one row, without padding, cache or mask."""
    ids = inputs["input_ids"][row][inputs["attention_mask"][row].bool()].tolist()
    ids += [token for run in runs for token in run[row].tolist()]
    return model(input_ids=torch.tensor([ids]), pixel_values=inputs["pixel_values"][row : row + 1]).logits[0, -1]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
@torch.no_grad()
def test_equals_separate_forward_passes(parts, attention, static):
    model, inputs = parts
    model.set_attn_implementation(attention)
    cache = StaticCache(config=model.config.get_text_config(), max_cache_len=90) if static else None
    tree, prompt = started(model, inputs, cache)
    chain = tree.add(prompt, A)
    fork = tree.add(prompt, B)
    with count_passes(model) as passes:
        logits = tree.run()
        deeper = [tree.add(chain, C), tree.add(chain, B), tree.add(fork, C)]
        deepest = tree.run()
    assert passes == [inputs["input_ids"].shape[1] + 5, 4]
    for row in range(2):
        assert torch.allclose(logits[row, prompt.segment], plain(model, inputs, row), atol=1e-5)
        assert torch.allclose(logits[row, chain.segment], plain(model, inputs, row, A), atol=1e-5)
        assert torch.allclose(logits[row, fork.segment], plain(model, inputs, row, B), atol=1e-5)
        for branch, runs in zip(deeper, [(A, C), (A, B), (B, C)], strict=True):
            assert torch.allclose(deepest[row, branch.segment], plain(model, inputs, row, *runs), atol=1e-5)
    assert tree.run() is None
    model.set_attn_implementation("sdpa")


@torch.no_grad()
def test_a_branch_sees_no_other(parts):
    model, inputs = parts
    found = []
    for other in (B, B + 7):
        tree, prompt = started(model, inputs)
        segments = [tree.add(prompt, A), tree.add(prompt, other), tree.add(prompt, C)]
        logits = tree.run()
        tree.add(segments[0], C), tree.add(segments[1], other), tree.add(segments[2], C)
        found.append((logits, tree.run()))
    for one, two in zip(*found, strict=True):
        changed = (one != two).flatten(2).any(-1).any(0)
        assert changed.tolist() == [False] * (len(changed) - 2) + [True, False]


@torch.no_grad()
def test_rows_of_unequal_length_see_no_filler(parts):
    model, inputs = parts
    ragged, real = np.array([[99, 98, 32], [60, 61, 62]]), np.array([[False, False, True], [True, True, True]])
    for forked in (False, True):
        tree, prompt = started(model, inputs)
        behind = tree.add(prompt, ragged, real)
        if forked:
            tree.add(prompt, C)
        logits = tree.run()[:, behind.segment]
        assert torch.allclose(logits[0], plain(model, inputs, 0, ragged[:1, 2:]), atol=1e-5)
        assert torch.allclose(logits[1], plain(model, inputs, 1, ragged), atol=1e-5)
        last = tree.add(behind, C)
        logits = tree.run()[:, last.segment]
        assert torch.allclose(logits[0], plain(model, inputs, 0, ragged[:1, 2:], C), atol=1e-5)
        assert torch.allclose(logits[1], plain(model, inputs, 1, ragged, C), atol=1e-5)


@torch.no_grad()
def test_one_sequence_needs_no_four_dimensional_mask(parts):
    """So that attention without explicit masks (flash) can read, too."""
    model, inputs = parts
    shapes = []
    handle = model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(kwargs["attention_mask"].ndim), with_kwargs=True
    )
    tree, at = started(model, inputs)
    for run in (A, B, C):
        at = tree.add(at, run)
    tree.run()
    tree.add(at, A)
    tree.run()
    tree.add(at, A)
    tree.run()
    handle.remove()
    assert shapes == [2, 2, 4]


@torch.no_grad()
def test_no_token_sees_nothing_at_all(parts):
    """Not even filler: in float16 the lowest number and a negative score make minus infinity, and a row of those is not a
    number, which spreads to all that read the cache."""
    model, inputs = parts
    masks = []
    handle = model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: masks.append(kwargs["attention_mask"]), with_kwargs=True
    )
    tree, prompt = started(model, inputs)
    tree.add(prompt, A)
    tree.add(prompt, B)
    tree.run()
    handle.remove()
    (mask,) = masks
    assert mask.shape == (2, 1, inputs["input_ids"].shape[1] + 5, inputs["input_ids"].shape[1] + 5)
    assert (mask.amax(-1) == 0).all()
    assert (mask.amin(-1)[:, :, :-1] < -1e38).all()


@torch.no_grad()
def test_a_prefix_is_computed_once_and_stays_as_it_is(parts):
    model, _ = parts
    prefix = compute_prefix(model, [1, 30, 31])
    for batch in (3, 1, 2):
        tree = TokenTree(model, batch, cache=prefix.expanded(batch))
        tree.add(tree.root, np.tile(A[:1], (batch, 1)))
        expected = model(input_ids=torch.tensor([[1, 30, 31, 30, 31, 32]])).logits[0, -1]
        assert torch.allclose(tree.run()[:, 0], expected.expand(batch, -1), atol=1e-5)
    assert prefix.cache.get_seq_length() == 3
    assert isinstance(prefix.cache, DynamicCache)
