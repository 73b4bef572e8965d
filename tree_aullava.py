"""Token sequences that fork: one key-value cache, several continuations, one forward pass.

Tokens form a tree. Each attends to its ancestors and to nothing else, and its position is its depth. So a branch gives exactly
what it would give in a forward pass of its own.

Conventions
    B rows, T tokens of a pass, C columns of the cache, S segments of a pass, V vocabulary entries.
"""

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, LlavaForConditionalGeneration

# The name of the key-value cache among forward's keywords and outputs, which transformers 5.24 renamed.
CACHE_KEY = (
    "cache" if "cache" in inspect.signature(LlavaForConditionalGeneration.forward).parameters else "past_key_values"
)


@dataclass
class Branch:
    """A place in the tree of tokens, the same one in every row.

    sees_BC: the columns of the cache that a token added here attends to. length_B: their number, which is the token's position.
    segment: index of its logits among the segments of the last pass.
    """

    sees_BC: np.ndarray
    length_B: np.ndarray
    segment: int = -1


class TokenTree:
    """Token sequences of a batch that fork and grow over one key-value cache.

    `add` appends tokens to a branch; `run` computes all that were added, in one pass. Rows of unequal length are padded on the
    left, and nothing attends to the padding.
    """

    def __init__(self, model: Any, batch: int, image_features: Any = None, cache: Any = None):
        self.model, self.features = model, image_features
        self.cache = DynamicCache(config=model.config.get_text_config()) if cache is None else cache
        self.columns = int(self.cache.get_seq_length())
        self.root = self._tip = Branch(np.ones((batch, self.columns), bool), np.full(batch, self.columns))
        self._is_chain, self._queue, self._queued = True, [], 0

    def add(self, branch: Branch, ids_BT: np.ndarray, real_BT: np.ndarray | None = None) -> Branch:
        real_BT = np.ones(ids_BT.shape, bool) if real_BT is None else real_BT
        begin = self.columns + self._queued
        sees_BC = np.zeros((len(ids_BT), begin + ids_BT.shape[1]), bool)
        sees_BC[:, : branch.sees_BC.shape[1]] = branch.sees_BC
        sees_BC[:, begin:] = real_BT
        self._queue.append((branch, begin, ids_BT, real_BT))
        self._queued += ids_BT.shape[1]
        self._is_chain &= branch is self._tip
        self._tip = Branch(sees_BC, branch.length_B + real_BT.sum(1), len(self._queue) - 1)
        return self._tip

    def run(self) -> torch.Tensor | None:
        """Logits (B, S, V) after the last token of every segment added since the last pass; None if there was none."""
        if not self._queue:
            return None
        device = self.model.device
        ids_BT = torch.from_numpy(np.concatenate([ids for _, _, ids, _ in self._queue], 1)).to(device)
        positions_BT = [branch.length_B[:, None] + real.cumsum(1) - 1 for branch, _, _, real in self._queue]
        ends_S = np.cumsum([ids.shape[1] for _, _, ids, _ in self._queue]) - 1
        image = {}
        if self.features is not None and (ids_BT == self.model.config.image_token_id).any():
            image, self.features = {"mm_encoder_outputs": {"image": self.features}}, None
        output = self.model(
            input_ids=ids_BT,
            attention_mask=self._mask().to(device),
            position_ids=torch.from_numpy(np.concatenate(positions_BT, 1).clip(min=0)).to(device),
            use_cache=True,
            logits_to_keep=torch.from_numpy(ends_S).to(device),
            **{CACHE_KEY: self.cache},
            **image,
        )
        self.columns, self._queue, self._queued = self.columns + self._queued, [], 0
        return output.logits

    def _mask(self) -> torch.Tensor:
        """(B, C) if the tokens are one sequence. Otherwise (B, 1, T, C), 0 where a token attends to a column and the lowest
        number where it does not: eager attention takes boolean masks for numbers."""
        if self._is_chain:
            return torch.from_numpy(self._tip.sees_BC).long()
        width = self.cache.get_mask_sizes(self._queued, 0)[0]
        sees_BTC = np.zeros((len(self._tip.sees_BC), self._queued, width), bool)
        for branch, begin, ids_BT, real_BT in self._queue:
            steps = ids_BT.shape[1]
            rows = sees_BTC[:, begin - self.columns :][:, :steps]
            rows[:, :, : branch.sees_BC.shape[1]] = branch.sees_BC[:, None]
            own = np.tri(steps, dtype=bool) & real_BT[:, None]
            # Every token attends to itself, even padding: attention over nothing is not a number.
            rows[:, :, begin : begin + steps] = own | np.eye(steps, dtype=bool)
        lowest = torch.finfo(self.model.dtype).min
        return torch.where(torch.from_numpy(sees_BTC), 0.0, lowest).to(self.model.dtype)[:, None]


@dataclass(frozen=True)
class Prefix:
    """The first tokens of a prompt, computed for one row; any batch can continue from them."""

    run: tuple[int, ...]  # token ids
    cache: Any

    def expanded(self, batch: int) -> Any:
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(batch)
        return cache


def compute_prefix(model: Any, run: Sequence[int]) -> Prefix:
    """Compute the instruction that comes before the image, once for all images."""
    tree = TokenTree(model, 1)
    tree.add(tree.root, np.array([run]))
    tree.run()
    return Prefix(tuple(run), tree.cache)
