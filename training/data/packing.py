"""Several turns about one picture as one sequence, each blind to the others.

    picture | question 1, answer 1 | question 2, answer 2 | ...

Every turn sees the picture's part and its own text, at the positions it would have in a row of its own. So it gets the loss and
the gradients it would have there, while tower and picture tokens are gone through once.
"""

from collections.abc import Sequence

import torch

PREFIX, PADDING = 0, -1  # segment numbers; turns are 1, 2, ...


def pack(prefix: int, lengths: Sequence[int]) -> tuple[list[int], list[int]]:
    """Segment number and position of each token of a packed row.

    Args:
        prefix: tokens that all turns share.
        lengths: further tokens of each turn.
    """
    segments, positions = [PREFIX] * prefix, list(range(prefix))
    for number, length in enumerate(lengths, 1):
        segments += [number] * length
        positions += range(prefix, prefix + length)
    return segments, positions


def look_mask(segments_BL: torch.Tensor) -> torch.Tensor:
    """Which token may look at which.

    Args:
        segments_BL: segment numbers, PADDING at the end of short rows.

    Returns:
        (B, 1, L, L) bool, True where row token i may look at token j: backwards, into the prefix and its own turn; padding
        into the prefix, because attention to nothing is not defined.
    """
    length = segments_BL.shape[1]
    looking_BL1, seen_B1L = segments_BL[:, :, None], segments_BL[:, None, :]
    backwards_LL = torch.ones(length, length, dtype=torch.bool).tril()
    allowed_BLL = ((seen_B1L == looking_BL1) | (seen_B1L == PREFIX)) & (seen_B1L != PADDING)
    return (allowed_BLL & backwards_LL)[:, None]
