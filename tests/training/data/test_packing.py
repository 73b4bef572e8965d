"""Packed rows: who may look at whom, and at which position each token stands."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from aullava.training.data.packing import PADDING, PREFIX, attention_mask_of, pack

PACKED_ROWS = st.tuples(st.integers(1, 5), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 3))


@given(PACKED_ROWS)
def test_every_token_looks_back_into_the_prefix_and_its_own_turn(row):
    prefix, lengths, padding = row
    segments, positions = pack(prefix, lengths)
    segments += [PADDING] * padding
    mask = attention_mask_of(torch.tensor([segments]))
    assert mask.shape == (1, 1, len(segments), len(segments)) and mask.dtype == torch.bool
    for i, own in enumerate(segments):
        seen = [j for j in range(len(segments)) if mask[0, 0, i, j]]
        if own == PADDING:
            assert seen == list(range(prefix))
        else:
            assert seen == [j for j in range(i + 1) if segments[j] in (PREFIX, own)]
            assert positions[i] == len(seen) - 1  # as in a row of its own
