"""Files of drawn faces."""

import csv

import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import ACTIONS, sample_face
from aullava.dataset_builder.synthetic.drawn.sheets import write_faces, write_sheets


def test_faces_are_written_with_their_labels(tmp_path):
    table = write_faces(tmp_path, 3, seed=2)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for index, row in enumerate(rows):
        face = sample_face("test", index, seed=2)
        with Image.open(tmp_path / row["file"]) as image:
            assert np.array_equal(np.asarray(image), face.image_HWC)
        assert {action: float(row[action]) for action in ACTIONS} == face.actions
        assert (row["subject"], row["skin_tone"]) == (face.subject, str(face.groups["skin_tone"]))
    assert not list(tmp_path.glob(".aullava-*"))


def test_sheets_are_written(tmp_path):
    paths = write_sheets(tmp_path / "new", size=48)
    assert len(paths) == 6
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert np.asarray(image).std() > 20


def test_faces_go_to_a_folder_of_their_own(tmp_path):
    write_faces(tmp_path / "faces", 2)
    before = sorted((tmp_path / "faces").iterdir())
    with pytest.raises(FileExistsError, match="labels.csv"):
        write_faces(tmp_path / "faces", 1, seed=1)
    assert sorted((tmp_path / "faces").iterdir()) == before
