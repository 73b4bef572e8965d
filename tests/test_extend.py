"""docs/extend.md does what it says: every block is run, and what it adds is used as a user would use it."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from aullava.action_units import SCALES, Protocol, parse, question, render
from aullava.cli import main
from aullava.dataset_builder import load_au_dataset
from aullava.dataset_builder.corpora.registry import READERS
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.detection.framing import DETECTORS
from aullava.recognition import tables

from checkout import ROOT

SECTIONS = re.split(r"^## (?:A|An) (.+)$", (ROOT / "docs" / "extend.md").read_text(), flags=re.MULTILINE)[1:]
BLOCKS = {
    title: re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for title, text in zip(SECTIONS[::2], SECTIONS[1::2], strict=True)
}
X, Y, SIDE = 100, 60, 90  # of the bright square in a dark picture


@pytest.fixture
def run(monkeypatch):
    """Runs the block of a section; what it adds is gone after the test."""
    for table in (READERS, SCALES, DETECTORS):
        for name in ("smiles", "grade", "bright"):
            monkeypatch.setitem(table, name, None)
            monkeypatch.delitem(table, name)
    columns = list(tables.HEAD_COLUMNS)
    yield lambda title: exec(compile(BLOCKS[title][0], f"docs/extend.md, {title}", "exec"), {"__name__": "mine"})
    tables.HEAD_COLUMNS[:] = columns


@pytest.fixture
def face(tmp_path):
    Image.fromarray(sample_face("test", 0).image_HWC).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def read(arguments, out):
    assert main(["recognize", *map(str, arguments), "--out", str(out)]) == 0
    with open(out, newline="") as file:
        return list(csv.DictReader(file))


def script(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


def make_smiles(folder):
    for subject, number, level in (("ann", 1, 3), ("ann", 2, 0), ("bob", 1, 5)):
        (folder / subject).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), "grey").save(folder / subject / f"{number:04d}_{level}.png")
    return folder


def test_there_is_one_block_of_less_than_15_lines_for_each_of_the_five():
    assert list(BLOCKS) == ["corpus", "scale", "detector", "output column", "verb"]
    for title, blocks in BLOCKS.items():
        assert len(blocks) == 1 and len([line for line in blocks[0].splitlines() if line.strip()]) < 15, title


def test_the_corpus_gives_rows(run, tmp_path):
    run("corpus")
    rows = load_au_dataset("smiles", make_smiles(tmp_path / "smiles"), cache_dir=tmp_path / "cache")
    assert [(row["subject"], row["frame"], row["AU12_r"]) for row in rows] == [
        ("ann", 1, 3),
        ("ann", 2, 0),
        ("bob", 1, 5),
    ]
    assert rows[0]["image"].size == (64, 64)
    parts = load_au_dataset("smiles", tmp_path / "smiles", fold="loso:bob", cache_dir=tmp_path / "cache")
    assert parts["train"].unique("subject") == ["ann"] and parts["test"].unique("subject") == ["bob"]


def test_the_corpus_is_found_as_a_file_of_its_folder(tmp_path):
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "smiles.py").write_text(BLOCKS["corpus"][0])
    code = (
        "import sys; from aullava.dataset_builder import corpora; corpora.__path__.append(sys.argv[1]); "
        "from aullava.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    arguments = ["build", "--corpus", "smiles", "--data-dir", make_smiles(tmp_path / "smiles"), "--preview", 2]
    done = script(code, tmp_path / "corpora", *arguments)
    assert done.returncode == 0 and "AU12" in done.stdout, done.stderr
    listed = script(code, tmp_path / "corpora", "build", "--help")
    assert re.search(r"Corpora:[^.]*\bsmiles\b", listed.stdout), listed.stdout


def test_the_scale_is_written_read_and_asked_for(run, face, tmp_path):
    run("scale")
    protocol = Protocol("mine", ("AU1", "AU12"), "grade")
    for values in ({"AU1": 0, "AU12": 2}, {"AU1": 1, "AU12": 1}):
        assert parse(render(values, protocol), protocol, strict=True).values == values
    assert parse("AU1=3 AU12=1", protocol, strict=True).status == "invalid"
    assert "grade from 0 (absent) to 2 (marked)" in question(protocol, wording=1)
    flags = ["--faces", "none", "--protocol", "AU1,AU12", "--scale", "grade"]
    [row] = read([face, *flags], tmp_path / "rows.csv")
    assert {row["AU01_g"], row["AU12_g"]} <= {"0", "1", "2"} and row["status"] == "ok"


def test_the_detector_finds_its_box_and_frames_faces(run, tmp_path):
    run("detector")
    image_HWC = np.zeros((240, 320, 3), dtype=np.uint8)
    image_HWC[Y : Y + SIDE, X : X + SIDE] = 255
    Image.fromarray(image_HWC).save(tmp_path / "dark.png")
    [row] = read([tmp_path / "dark.png", "--framing", "detector=bright"], tmp_path / "rows.csv")
    assert [row[f"box_{name}"] for name in "xywh"] == [str(n) for n in (X, Y, SIDE, SIDE)] and row["success"] == "1"
    used = json.loads((tmp_path / "rows.meta.json").read_text())["framing"]["used"]
    assert (used["detector"], used["margin"]) == ("bright", DETECTORS["bright"].margin)
    assert main(["recognize", str(tmp_path / "dark.png"), "--framing", "detector=dim"]) == 2


def test_the_column_is_in_every_table(run, tmp_path):
    run("output column")
    Image.fromarray(sample_face("test", 0, size=256).image_HWC).save(tmp_path / "face.png")
    [row] = read([tmp_path / "face.png", "--faces", "none"], tmp_path / "rows.csv")
    assert row["box_area"] == str(256 * 256)
    assert (
        json.loads((tmp_path / "rows.meta.json").read_text())["columns"]["box_area"]["what"]
        == "area of the box in pixels"
    )
    assert (
        main(["recognize", str(tmp_path / "face.png"), "--faces", "none", "--out", str(tmp_path / "rows.jsonl")]) == 0
    )
    assert json.loads((tmp_path / "rows.jsonl").read_text())["box_area"] == 256 * 256


def test_the_verb_is_listed_and_runs(tmp_path):
    (tmp_path / "units.py").write_text(BLOCKS["verb"][0])
    code = (
        "import sys; from aullava import commands; commands.__path__.append(sys.argv[1]); "
        "from aullava.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    listed = script(code, tmp_path, "--help")
    assert re.search(r"^    units +list the action units of a protocol$", listed.stdout, re.MULTILINE), listed.stdout
    done = script(code, tmp_path, "units", "disfa")
    assert done.returncode == 0 and done.stdout.splitlines()[0] == "AU1 Inner brow raiser", done.stderr
    assert script(code, tmp_path, "units", "nothing").returncode == 2
