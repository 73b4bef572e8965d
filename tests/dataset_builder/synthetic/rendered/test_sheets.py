"""Files of rendered faces: single pictures with their table, sheets, films."""

import csv

import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.filming import label_columns
from aullava.dataset_builder.synthetic.rendered import levels, sheets
from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS, PARTS
from aullava.dataset_builder.synthetic.rendered.film import WHERE, film_frames, write_film
from aullava.dataset_builder.synthetic.rendered.samples import sample_face


def test_faces_and_their_table(tmp_path):
    table = sheets.write_faces(tmp_path / "out", count=2, seed=3, size=48)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["test-3-000000.png", "test-3-000001.png"]
    face = sample_face("test", 1, seed=3, size=48)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / rows[1]["file"])), face.image_HWC)
    assert {action: float(rows[1][action]) for action in ACTIONS} == face.actions
    assert float(rows[1]["x30"]) == pytest.approx(face.landmarks_68_2[30, 0], abs=0.01)
    assert float(rows[1]["yaw"]) == pytest.approx(face.pose[0], abs=0.06) and rows[1]["sides"] == face.sides
    with pytest.raises(FileExistsError, match="name a new or an empty folder"):
        sheets.write_faces(tmp_path / "out", count=1)


def test_a_sheet_has_a_tile_for_every_unit():
    sheet = sheets.unit_sheet((5, 40, "male"), size=32)
    assert sheet.shape == (-(-(len(PARTS) + 1) // 8) * (32 + 15), 8 * 32, 3)
    tiles = [sheet[:32, 32 * n : 32 * n + 32] for n in range(8)]
    assert all((tiles[0] != tile).any() for tile in tiles[1:])


def test_a_film_and_its_table(tmp_path):
    film, table = write_film(tmp_path / "film", seconds=0.4, rate=5, people=1, size=(96, 96))
    assert film.stat().st_size > 500
    with open(table, newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == label_columns(WHERE) and len(rows) == 3
    assert all(len(row) == len(rows[0]) for row in rows)


def test_frames_depend_on_the_second_and_not_on_the_rate():
    slow = list(film_frames(1.0, 2, people=1, seed=2, size=(64, 64)))
    fast = list(film_frames(1.0, 4, people=1, seed=2, size=(64, 64)))
    assert np.array_equal(slow[1].image_HWC, fast[2].image_HWC)
    assert slow[1].faces[0].actions == fast[2].faces[0].actions
    with pytest.raises(ValueError, match="too few"):
        film_frames(1, 1, people=3, size=(120, 80))


def test_the_table_of_levels_is_printed(capsys):
    levels.main()
    printed = capsys.readouterr().out
    assert "AU12" in printed and "lip corner" in printed and "0.240" in printed
