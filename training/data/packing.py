"""Several turns about one image in one sequence, none of which sees the others.

    image | question 1, answer 1 | question 2, answer 2 | ...

Every turn attends to the image and to itself, at the positions it would have in a sequence of its own. So its loss and gradients
are the same, while vision tower and image tokens are computed once.
"""

from collections.abc import Sequence

import torch

PREFIX, PADDING = 0, -1  # segment numbers; turns are 1, 2, ...


def pack(prefix: int, lengths: Sequence[int]) -> tuple[list[int], list[int]]:
    """Segment number and position of each token of a packed row.

    Args:
        prefix: number of tokens that all turns share.
        lengths: number of tokens of each turn after the prefix.
    """
    segments, positions = [PREFIX] * prefix, list(range(prefix))
    for number, length in enumerate(lengths, 1):
        segments += [number] * length
        positions += range(prefix, prefix + length)
    return segments, positions


def attention_mask_of(segments_BL: torch.Tensor) -> torch.Tensor:
    """Which token attends to which.

    Args:
        segments_BL: segment numbers, PADDING at the end of shorter rows.

    Returns:
        (B, 1, L, L) bool, True where token i attends to token j: earlier ones, of the prefix and its own turn. Padding attends to
        the prefix, because attention to nothing is undefined.
    """
    length = segments_BL.shape[1]
    query_BL1, key_B1L = segments_BL[:, :, None], segments_BL[:, None, :]
    causal_LL = torch.ones(length, length, dtype=torch.bool).tril()
    allowed_BLL = ((key_B1L == query_BL1) | (key_B1L == PREFIX)) & (key_B1L != PADDING)
    return (allowed_BLL & causal_LL)[:, None]
