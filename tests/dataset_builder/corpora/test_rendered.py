"""Rendered faces as a corpus: the stream's own faces and labels, without rendering what nobody looks at."""

import json
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, PROTOCOLS
from aullava.dataset_builder.corpora.rendered import RenderedReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.load import load_au_dataset
from aullava.dataset_builder.synthetic.rendered.actions import PARTS
from aullava.dataset_builder.synthetic.rendered.samples import FaceDescription, sample_face

from trees.rendered import OPTIONS


def test_records_are_the_faces_of_the_stream():
    reader = RenderedReader(split="validation", count=3, first=2, frames_per_identity=2, render_size=32, render_seed=4)
    records = [record for subject in reader.subjects() for record in reader.read(subject)]
    assert [record.frame for record in records] == [2, 3, 4]
    for record in records:
        face = sample_face("validation", record.frame, frames_per_identity=2, size=32, seed=4)
        assert np.array_equal(np.asarray(record.image.draw()), face.image_HWC)
        assert (record.subject, record.sides) == (face.subject, face.sides)
        factors = json.loads(record.groups["factors"])
        assert record.groups == face.groups | {"factors": record.groups["factors"]}
        assert np.allclose(factors["landmarks"], face.landmarks_68_2, atol=0.01)
        for name, scale in (("bp4d", "occurrence"), ("disfa", "intensity"), ("feafa", "continuous")):
            expected = face.values(PROTOCOLS[name])
            assert {code: record.values[scale][code] for code in expected} == expected


def test_every_scale_is_coded_for_every_unit_of_the_reader():
    reader = RenderedReader(**OPTIONS)
    assert (
        reader.units["occurrence"]
        == reader.units["intensity"]
        == tuple(code for code in ACTION_UNITS if code in PARTS)
    )
    assert reader.units["continuous"] == tuple(FEAFA_UNITS)
    record = next(reader.read("train-000001"))
    assert {scale: tuple(values) for scale, values in record.values.items()} == dict(reader.units)
    assert not any(math.isnan(value) for values in record.values.values() for value in values.values())
    assert set(record.groups) == set(reader.groups)


def test_reading_labels_renders_nothing_and_records_travel(monkeypatch):
    record = next(RenderedReader(**OPTIONS).read("train-000000"))
    again = pickle.loads(pickle.dumps(record))
    assert np.array_equal(np.asarray(again.image.draw()), np.asarray(record.image.draw()))

    def refuse(self, *_):
        raise AssertionError("rendered")

    monkeypatch.setattr(FaceDescription, "render", refuse)
    record = next(RenderedReader(**OPTIONS).read("train-000000"))
    with pytest.raises(AssertionError, match="rendered"):
        record.image.draw()


def test_it_loads_like_any_other_corpus(tmp_path):
    rows = load_au_dataset("rendered", split="test", cache_dir=str(tmp_path), **OPTIONS)
    assert len(rows) == 5 and all(subject.startswith("test-") for subject in rows["subject"])
    assert rows[0]["image"].size == (32, 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_dir": "faces"}, "give no folder"),
        ({"split": "dev"}, "train, validation, test"),
        ({"least_share": 0.5}, "from 0 to 0.12"),
        ({"one_sided": -1}, "one_sided is -1"),
        ({"count": 0}, "count is 0"),
        ({"render_seed": -1}, "render_seed is -1"),
        ({"render_size": 31}, "from 32"),
        ({"first": 10**9}, "more than a split's"),
        ({"assets": "no/such/folder"}, "assets: no/such/folder"),
    ],
)
def test_meaningless_options_are_refused(options, message):
    with pytest.raises(CorpusError, match=message):
        RenderedReader(**options)


def test_without_the_extra_it_says_what_to_install():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from aullava.dataset_builder.corpora.registry import open_corpus\n"
        "try: open_corpus('rendered')\nexcept ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'au-llava[heads]'" in done.stdout
