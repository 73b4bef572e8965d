"""One photograph comes to the model as the same pixels, whoever reads it, once a checkpoint says how it was cropped in training."""

import json
import os

import numpy as np
import pytest
import yaml
from PIL import Image
from skimage.data import astronaut

from aullava.action_units import resolve_protocol
from aullava.cli import main
from aullava.detection.framing import Framing, make_detector
from aullava.detection.yunet import YUNET_FILE
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.space.recognizer import load_recognizer
from aullava.training.data.mix import training_rows
from aullava.training.data_arguments import DataArguments

import forked
from bright_squares import bright_square_net
from checkout import ROOT
from tiny import SMALL_RUN

MARGIN = 0.4
PEOPLE = 6


@pytest.fixture(scope="module", params=["auto", "yunet"])
def trained(request, tmp_path_factory):
    """Folder with corpus, weights and the checkpoint of two steps on crops; how the corpus was cropped; the crop."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / YUNET_FILE).write_bytes(bright_square_net())
    (folder / "corpus").mkdir()
    Image.fromarray(astronaut()).save(folder / "corpus" / "astronaut.png")
    lines = [f"astronaut.png,P{person},0,{person % 2},{1 - person % 2}" for person in range(PEOPLE)]
    (folder / "corpus" / "labels.csv").write_text("\n".join(["image,subject,frame,AU1_c,AU12_c", *lines]))
    faces = "auto" if request.param == "auto" else f"yunet:{folder / YUNET_FILE}"
    data = {"corpora": ["table"], "data_dirs": [str(folder / "corpus")], "crop_faces": faces, "crop_margin": MARGIN}
    data |= {"folds": ["loso:P0"], "validation_share": 0.2, "cache_dir": str(folder / "cache")}
    settings = {**SMALL_RUN, **data, "output_dir": str(folder / "run"), "max_steps": 2, "eval_strategy": "no"}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    done = forked.run(ROOT / "train_sft.py", "--config", folder / "config.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    detector = make_detector(Framing("haar" if faces == "auto" else faces, MARGIN, largest=True))
    [box] = detector.detect(astronaut())
    return folder, DataArguments(**data), detector.crop(Image.fromarray(astronaut()), box)


@pytest.fixture
def looked_at(monkeypatch):
    """What the model is given to read while a test runs."""
    pictures, whole = [], AULlavaForConditionalGeneration.recognize_many

    def recognize_many(model, images, *args, **kwargs):
        pictures.extend(map(np.asarray, images))
        return whole(model, images, *args, **kwargs)

    monkeypatch.setattr(AULlavaForConditionalGeneration, "recognize_many", recognize_many)
    return pictures


def test_training_says_how_its_crops_were_made(trained):
    folder, data, crop = trained
    stored = json.loads((folder / "run" / "model" / "config.json").read_text())["framing"]
    detector = "haar" if data.crop_faces == "auto" else f"yunet:{YUNET_FILE}"
    assert stored == {"detector": detector, "margin": MARGIN, "alignment": "none", "largest": True}
    assert crop.width == crop.height < 512
    rows = training_rows(data).train
    assert all(np.array_equal(rows[n]["images"][0], crop) for n in range(len(rows)))
    for file in (folder / "run" / "model").glob("*"):
        assert b"40% of its side" in file.read_bytes() or file.name != "README.md"
        assert str(folder).encode() not in file.read_bytes()


def test_everybody_who_reads_crops_alike(trained, looked_at, monkeypatch):
    folder, data, crop = trained
    model, photograph = folder / "run" / "model", folder / "corpus" / "astronaut.png"
    monkeypatch.chdir(folder)  # where the weights lie that the checkpoint names
    where = [] if data.crop_faces == "auto" else ["--faces", data.crop_faces]
    common = ["--checkpoint", str(model), "--device", "cpu"]
    seen = {}

    def read(name: str, reading) -> None:
        looked_at.clear()
        assert reading() == 0
        seen[name] = list(looked_at)

    def page() -> int:
        rows = load_recognizer(str(model)).rows(photograph, "a", resolve_protocol("AU1,AU12"), "joint", "auto")
        return len(rows) - 1

    evaluation = ["evaluate", *common, "--corpus", "table", "--data-dir", str(folder / "corpus"), "--fold", "loso:P0"]
    evaluation += ["--protocol", "AU1,AU12", "--checks", "0", "--draws", "2", "--out", str(folder / "e.json")]
    recognition = ["recognize", str(photograph), *common, "--protocol", "AU1,AU12"]
    read("recognize", lambda: main([*recognition, "--out", "r.csv"]))
    read("recognize, told where", lambda: main([*recognition, *where]))
    read("evaluate", lambda: main(evaluation))
    read("page", page)
    assert [len(pictures) for pictures in seen.values()] == [1, 1, 1, 1]
    for name, pictures in seen.items():
        assert all(np.array_equal(picture, crop) for picture in pictures), name
    for written in ("r.meta.json", "e.json"):
        framing = json.loads((folder / written).read_text())["framing"]
        assert framing["used"] == framing["checkpoint"] and framing["used"]["margin"] == MARGIN
        assert os.fspath(folder) not in json.dumps(framing)
    assert "40% of its side on each side, as in the checkpoint's training" in (folder / "e.md").read_text()
