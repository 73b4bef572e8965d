"""Turns that are too long for `max_length`: left out whole, counted, and named once. No turn is cut, and no image token."""

import logging
from collections.abc import Sequence

import torch

from aullava.training.data.reading import WORKER_PLACES, worker_place
from aullava.training.data.turn_tokens import TurnTokens

_LOG = logging.getLogger(__name__)


class LengthLimit:
    """Keeps the turns of an image that fit, and counts over all workers of this process.

    Args:
        max_length: tokens of a sequence, image tokens included.
    """

    def __init__(self, max_length: int):
        self.max_length = max_length
        self._counts_P2 = torch.zeros((WORKER_PLACES, 2), dtype=torch.int64).share_memory_()
        self._named = False

    def total(self) -> tuple[int, int]:
        """Turns met, and how many of them were left out; a turn counts each time it is met."""
        return tuple(self._counts_P2.sum(0).tolist())

    def fitting(self, row: str, turns: Sequence[TurnTokens], shared: int) -> list[TurnTokens]:
        """The turns of a row that fit, in their order.

        Args:
            row: its name, for the log.
            shared: tokens that all turns of one sequence share; 0 where each turn is a sequence of its own.
        """
        kept, used = [], shared
        for turn in turns:
            own = len(turn.ids) - shared
            if used + own <= self.max_length:
                kept.append(turn)
                used += own if shared else 0
        left = len(turns) - len(kept)
        self._counts_P2[worker_place()] += torch.tensor([len(turns), left])
        if left and not self._named:
            self._named = True
            _LOG.warning(
                "%d of %d turns of row %s are left out: the longest takes %d tokens, max_length is %d; more are only counted",
                left,
                len(turns),
                row,
                max(len(turn.ids) for turn in turns),
                self.max_length,
            )
        return kept
