"""Drawn faces as a corpus: the stream's own faces and labels, without painting what nobody looks at."""

import math

import numpy as np
import pytest

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, PROTOCOLS
from aullava.dataset_builder.corpora import procedural as drawn
from aullava.dataset_builder.corpora.procedural import ProceduralReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.dataset_builder.synthetic.drawn.actions import PARTS
from aullava.dataset_builder.synthetic.drawn.samples import FaceDescription

from trees.procedural import OPTIONS, make


def test_subjects_are_the_identities_of_the_range(tmp_path):
    assert make(tmp_path) is None
    reader = ProceduralReader(None, **OPTIONS)
    assert reader.subjects() == ("train-000000", "train-000001", "train-000002", "train-000003")
    later = ProceduralReader(first=5, count=5, frames_per_identity=3, split="test")
    assert later.subjects() == ("test-000001", "test-000002", "test-000003")
    assert [[r.frame for r in later.read(s)] for s in later.subjects()] == [[5], [6, 7, 8], [9]]


@pytest.mark.parametrize("options", [{}, {"style": "uniform", "draw_seed": 3}, {"rare_boost": 0.5, "style": "disfa"}])
def test_records_are_the_faces_that_sample_face_draws(options):
    reader = ProceduralReader(split="validation", count=7, first=2, frames_per_identity=3, draw_size=32, **options)
    records = [record for subject in reader.subjects() for record in reader.read(subject)]
    assert [record.frame for record in records] == list(range(2, 9))
    for record in records:
        drawn = {key.removeprefix("draw_"): value for key, value in options.items()}
        face = sample_face("validation", record.frame, frames_per_identity=3, size=32, **drawn)
        assert np.array_equal(np.asarray(record.image.draw()), face.image_HWC)
        assert record.subject == face.subject
        assert record.groups == {key: str(value) for key, value in face.groups.items()}
        for name, scale in (("bp4d", "occurrence"), ("disfa", "intensity"), ("feafa", "continuous")):
            expected = face.values(PROTOCOLS[name])
            assert {code: record.values[scale][code] for code in expected} == expected


def test_every_scale_is_coded_for_every_unit_of_the_reader():
    reader = ProceduralReader(**OPTIONS)
    assert (
        reader.units["occurrence"]
        == reader.units["intensity"]
        == tuple(code for code in ACTION_UNITS if code in PARTS)
    )
    assert reader.units["continuous"] == tuple(FEAFA_UNITS)
    assert [ACTION_UNITS[code].number for code in reader.units["occurrence"]] == sorted(
        ACTION_UNITS[code].number for code in reader.units["occurrence"]
    )
    assert {"AU1", "AU28", "AD30", "AU43"} <= set(reader.units["occurrence"]) and len(reader.units["occurrence"]) == 25
    record = next(reader.read("train-000001"))
    assert {scale: tuple(values) for scale, values in record.values.items()} == dict(reader.units)
    assert not any(math.isnan(value) for values in record.values.values() for value in values.values())
    assert set(record.groups) == set(reader.groups)


def test_reading_labels_paints_nothing(monkeypatch):
    def refuse(self, size):
        raise AssertionError("painted")

    monkeypatch.setattr(FaceDescription, "draw", refuse)
    record = next(ProceduralReader(**OPTIONS).read("train-000000"))
    with pytest.raises(AssertionError, match="painted"):
        record.image.draw()


def test_the_split_is_in_the_name_and_splits_share_nobody():
    readers = {split: ProceduralReader(split=split, **OPTIONS) for split in ("train", "validation", "test")}
    for split, reader in readers.items():
        assert {reader.native_split(subject) for subject in reader.subjects()} == {split}
    assert len({subject for reader in readers.values() for subject in reader.subjects()}) == 12
    assert not drawn.ProceduralReader.licensed
    assert list(readers["test"].label_files("test-000000")) == []


def test_a_subject_outside_the_range_is_refused():
    reader = ProceduralReader(**OPTIONS)
    for subject in ("train-000004", "test-000000", "train-0", "train-", "", "train--00001"):
        with pytest.raises(CorpusError, match="train-000000 to train-000003"):
            list(reader.read(subject))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_dir": "faces"}, "give no folder"),
        ({"split": "dev"}, "train, validation, test"),
        ({"style": "happy"}, "mixed, bp4d"),
        ({"count": 0}, "count is 0"),
        ({"count": 1.5}, "count is 1.5"),
        ({"first": -1}, "first is -1"),
        ({"frames_per_identity": 0}, "frames_per_identity is 0"),
        ({"draw_seed": -1}, "draw_seed is -1"),
        ({"draw_size": 31}, "from 32"),
        ({"rare_boost": 1.01}, "rare_boost"),
        ({"first": 4 * 10**9}, "more than a split's"),
    ],
)
def test_meaningless_options_are_refused(options, message):
    with pytest.raises(CorpusError, match=message):
        ProceduralReader(**options)
