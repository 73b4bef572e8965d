"""The checkpoint that comes with the package: what it holds, and that it reads drawn faces of identities it never saw.

The full measurement is `make evaluate`; here a few faces and a floor well below its figures.
"""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from aullava.action_units import PROTOCOLS
from aullava.checkpoint.layout import embedded_checkpoint, left_files
from aullava.checkpoint.load import load_checkpoint
from aullava.dataset_builder.synthetic.drawn import sample_face

from checkout import ROOT

FACES = 60


@pytest.fixture(scope="module")
def loaded():
    return load_checkpoint(embedded_checkpoint(), "cpu")


@pytest.fixture(scope="module")
def faces():
    return [sample_face("test", index, style="bp4d") for index in range(FACES)]


def read(loaded, faces, protocol, mode="joint", batch_size=30):
    model, processor = loaded
    images = [face.image_HWC for face in faces]
    return model.recognize(images, processor=processor, protocol=protocol, mode=mode, batch_size=batch_size)


def test_it_holds_nothing_but_a_small_checkpoint_and_its_card():
    folder = embedded_checkpoint()
    assert folder == ROOT / "checkpoints" / "au-llava-tiny"
    assert left_files(folder) == []
    assert "README.md" in {path.name for path in folder.iterdir()}
    assert (folder / "model.safetensors").stat().st_size < 16 * 2**20
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}


def test_it_reads_occurrence(loaded, faces):
    protocol = PROTOCOLS["bp4d"]
    readings = read(loaded, faces, protocol)
    truth = np.array([[face.values(protocol)[code] for code in protocol.units] for face in faces])
    said = np.array([[reading.values[code] for code in protocol.units] for reading in readings])
    hits = (truth & said).sum()
    assert 2 * hits / (truth.sum() + said.sum()) > 0.75  # always present: 0.5
    for reading in readings:
        assert all((reading.probabilities[code] >= 0.5) == bool(reading.values[code]) for code in protocol.units)


@pytest.mark.parametrize(("name", "share_of_trivial"), [("disfa", 0.6), ("feafa", 0.7)])
def test_it_beats_the_answer_that_needs_no_picture(loaded, faces, name, share_of_trivial):
    protocol = PROTOCOLS[name]
    readings = read(loaded, faces, protocol)
    truth = np.array([[face.values(protocol)[code] for code in protocol.units] for face in faces])
    said = np.array([[reading.values[code] for code in protocol.units] for reading in readings])
    trivial = np.abs(truth - np.median(truth, axis=0)).mean()
    assert np.abs(truth - said).mean() < share_of_trivial * trivial


@pytest.mark.parametrize("name", ["bp4d", "disfa", "feafa"])
def test_what_it_writes_freely_is_well_formed(loaded, faces, name):
    assert {reading.status for reading in read(loaded, faces[:10], name, mode="generate")} == {"ok"}


def test_a_batch_reads_what_single_pictures_do(loaded, faces):
    together = read(loaded, faces[:6], "disfa", batch_size=6)
    alone = read(loaded, faces[:6], "disfa", batch_size=1)
    for one, other in zip(together, alone, strict=True):
        assert one.values == other.values
        for code in one.probabilities:
            assert one.probabilities[code] == pytest.approx(other.probabilities[code], abs=1e-4)


def test_units_asked_alone_or_in_another_order_are_read(loaded, faces):
    for protocol in ("AU12", "AU25,AU12,AU4"):
        readings = read(loaded, faces, protocol)
        truth = [face.values(PROTOCOLS["bp4d"])["AU12"] for face in faces]
        said = [reading.values["AU12"] for reading in readings]
        assert np.mean(np.equal(truth, said)) > 0.75


@pytest.mark.parametrize(
    ("mode", "expected"), [("joint", [0.9368, 0.9977, 0.1839]), ("parallel", [0.8680, 0.9945, 0.1516])]
)
def test_readings_are_those_of_every_supported_version_of_the_libraries(loaded, mode, expected):
    """Probabilities of AU14, AU7 and AU24, one of each face: equal to 1e-4 under the oldest versions and the newest."""
    readings = read(loaded, [sample_face("test", index) for index in range(3)], "bp4d", mode)
    found = [one.probabilities[code] for one, code in zip(readings, ("AU14", "AU7", "AU24"), strict=True)]
    assert found == pytest.approx(expected, abs=1e-3)


def test_free_answers_are_those_of_every_supported_version_of_the_libraries(loaded):
    readings = read(loaded, [sample_face("test", index) for index in range(2)], "disfa", "generate")
    acting = [{code: value for code, value in one.values.items() if value} for one in readings]
    assert acting == [{"AU2": 1}, {"AU4": 3, "AU9": 1}]
