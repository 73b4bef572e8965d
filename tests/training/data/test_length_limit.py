"""Turns that are too long are left out whole, and the others stay as they are."""

import pytest
import torch

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.training.data.collator import TurnCollator
from aullava.training.data.length_limit import LengthLimit

from tiny import tiny_model


@pytest.fixture(scope="module")
def rows():
    given = DrawnFaceArguments(faces=6, draw_size=32, protocols=["bp4d", "disfa", "feafa"], turns_per_face=3)
    return list(drawn_faces(given))


@pytest.fixture(scope="module")
def processor():
    return tiny_model("swin")[1]


def test_one_sequence_a_turn(rows, processor, caplog):
    whole = TurnCollator(processor, extras=True)(rows)
    lengths = whole["attention_mask"].sum(1)
    middle = int(lengths.float().median())
    limit = LengthLimit(middle)
    found = TurnCollator(processor, limit=limit, extras=True)(rows)
    kept = lengths <= middle
    assert 0 < kept.sum() < len(kept)
    assert torch.equal(found["input_ids"], whole["input_ids"][kept][:, : found["input_ids"].shape[1]])
    assert torch.equal(found["pixel_values"], whole["pixel_values"][kept])
    assert found["turns"] == kept.sum() and limit.total() == (len(kept), int((~kept).sum()))
    assert len([record for record in caplog.records if "are left out" in record.message]) == 1


def test_packed_turns_share_what_lies_before_them(rows, processor):
    whole = TurnCollator(processor, packed=True, extras=True)(rows)
    longest = whole["input_ids"].shape[1]
    limit = LengthLimit(longest - 1)
    found = TurnCollator(processor, packed=True, limit=limit, extras=True)(rows)
    assert found["input_ids"].shape[1] <= longest - 1
    met, left = limit.total()
    assert met == whole["turns"] and 0 < left < met and found["turns"] == met - left
    assert limit.total()[1] == left
    roomy = TurnCollator(processor, packed=True, limit=LengthLimit(longest), extras=True)(rows)
    assert torch.equal(roomy["input_ids"], whole["input_ids"])


def test_a_batch_without_a_turn_that_fits_is_refused(rows, processor):
    with pytest.raises(ValueError, match="no turn about the 6 images of a batch fits into max_length 10"):
        TurnCollator(processor, limit=LengthLimit(10))(rows)
