"""A smile that grows and fades on a drawn face, read by the embedded checkpoint and followed through everything here."""

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS
from aullava.analysis.activity import activity
from aullava.analysis.blendshapes import to_blendshapes
from aullava.analysis.series import as_floats
from aullava.analysis.smoothing import Smoothing
from aullava.analysis.transform import Transform
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.dataset_builder.synthetic.drawn import Identity, Scene, draw_face
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import Layout

READ = PROTOCOLS["disfa"], PROTOCOLS["feafa"]
STRENGTHS = np.concatenate((np.zeros(4), np.linspace(0, 1, 7), np.ones(2), np.linspace(1, 0, 7), np.zeros(4)))


@pytest.fixture(scope="module")
def table():
    model, processor = load_checkpoint(embedded_checkpoint(), "cpu")
    who, scene = Identity.sample(np.random.default_rng(3)), Scene.neutral()
    smiles = [{"AU6L": s, "AU6R": s, "AU12L": s, "AU12R": s} for s in STRENGTHS]
    faces = [draw_face(who, smile, scene).image_HWC for smile in smiles]
    readings = model.recognize_many(faces, processor, READ, mode="parallel")
    rows = [FaceRow("smile.mp4", 0, reading, i, i / 5) for i, reading in enumerate(readings)]
    return Layout(READ).frame(rows)


def follows(values) -> float:
    return np.corrcoef(values, STRENGTHS)[0, 1]


def test_smoothed_and_rid_of_the_persons_neutral_the_smile_is_still_the_script(table):
    transform = Transform(Smoothing.parse("median:3"), "auto")
    after = transform(table)
    assert transform.notes == []
    for column in ("AU12_r", "feafa_12_left_lip_corner_pull_v", "feafa_13_right_lip_corner_pull_v"):
        values = as_floats(after, column)
        assert follows(values) > 0.9
        assert values[0] == values[-1] == 0 < values.max()


def test_the_smile_is_one_bout_with_its_onset(table):
    found = activity(table).set_index("column")
    smile = found.loc["AU12_r"]
    active = as_floats(table, "AU12_r") >= 1
    assert (smile.bouts, smile.onsets) == (1, 1)
    assert smile.mean_duration == pytest.approx(active.sum() / 5)
    assert smile.share_active == pytest.approx((STRENGTHS >= 0.1).mean(), abs=0.15)
    assert found.loc["AU04_r"].share_active == 0


def test_both_corners_of_the_avatars_mouth_rise(table):
    shapes = to_blendshapes(table)
    assert follows(as_floats(shapes, "mouthSmileLeft")) > 0.9 and follows(as_floats(shapes, "mouthSmileRight")) > 0.9
    assert as_floats(shapes, "jawOpen").max() < 0.3
