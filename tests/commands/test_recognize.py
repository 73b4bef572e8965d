"""`aullava recognize` on films, as people call it: tables, series, resuming, refusals. A real tiny checkpoint reads real videos."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aullava.action_units import FEAFA_UNITS
from aullava.analysis.blendshapes import NOT_READ
from aullava.cli import main
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.dataset_builder.synthetic.drawn.film import write_film
from aullava.recognition.store import working_folder

import forked
from tiny import make_tiny_checkpoint
from trees.videos import damage_packets, write_video


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """1.2 seconds of two faces, 12 frames."""
    return write_film(tmp_path_factory.mktemp("film") / "drawn", seconds=1.2)[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recognize(*arguments) -> int:
    return main(["recognize", *map(str, arguments)])


def test_a_film_with_everything(film, checkpoint, here, capsys):
    flags = "--protocol disfa --protocol feafa --intensities expected --smooth median:3 --out t.csv --summary s.csv"
    more = "--blendshapes b.csv --plot plots --overlay seen"
    assert recognize(film, "--checkpoint", checkpoint, *flags.split(), *more.split()) == 0
    table = pd.read_csv("t.csv")
    assert list(table["frame"]) == [frame for frame in range(12) for _ in range(2)]
    assert table["timestamp"].iloc[-1] == pytest.approx(1.1) and set(table["face_id"]) == {0, 1}
    assert table[["AU12_r", "AU12_p", "feafa_24_nose_wrinkle_v"]].notna().all(axis=None)
    meta = json.loads((here / "t.meta.json").read_text())
    assert meta["counts"]["films"][0]["faces"] == 24 and meta["options"]["smooth"] == "median:3"
    activity = pd.read_csv("s.csv")
    assert len(activity) == 2 * (12 + len(FEAFA_UNITS)) and (here / "s_pairs.csv").exists()
    shapes = pd.read_csv("b.csv")
    assert len(shapes) == 24 and "jawOpen" in shapes and not {*NOT_READ} & {*shapes}
    assert [name for name in NOT_READ if name not in " ".join(meta["notes"])] == []
    assert {path.name for path in (here / "plots").iterdir()} == {
        f"film_face{i}.{e}" for i in (0, 1) for e in ("png", "html")
    }
    assert [path.name for path in (here / "seen").iterdir()] == ["film.mp4"]
    assert "12 frames; 24 faces; 24 rows in t.csv" in capsys.readouterr().err
    assert not working_folder(here / "t.csv").exists()


def test_frames_without_a_face_and_broken_ones_have_one_row_each(checkpoint, here, capsys):
    """20 frames of two drawn faces, of which 5 show nobody and 3 cannot be decoded."""
    empty, broken, pictures = {0, 7, 8, 9, 19}, {3, 4, 14}, []
    for number in range(20):
        picture = np.full((160, 320, 3), 128, np.uint8)
        for person, left in ((0, 20 + number), (1, 200 - number)):
            if number not in empty:
                picture[32:128, left : left + 96] = sample_face("test", person).image_HWC
        pictures.append(picture)
    damage_packets(write_video(here / "film.avi", pictures=pictures, codec="mjpeg"), *broken)
    assert recognize("film.avi", "--checkpoint", checkpoint, "--out", "t.csv") == 1
    assert "3 of 20 frames could not be decoded" in capsys.readouterr().err
    table = pd.read_csv("t.csv")
    bare = {**dict.fromkeys(empty, "no_face"), **dict.fromkeys(broken, "unreadable")}
    expected = [(frame, face) for frame in range(20) for face in ([-1] if frame in bare else [0, 1])]
    assert [*zip(table["frame"], table["face_id"], strict=True)] == expected
    without = table[table["face_id"] == -1].set_index("frame")
    assert without["status"].to_dict() == bare and set(without["success"]) == {0}
    assert without.filter(regex="^AU|^box|confidence").isna().all(axis=None)
    assert set(table[table["face_id"] >= 0]["success"]) == {1}


def test_a_baseline_from_a_film_is_subtracted(film, checkpoint, here):
    base = [film, "--checkpoint", checkpoint, "--intensities", "expected", "--largest", "--faces", "auto"]
    assert recognize(*base, "--out", "raw.csv") == 0
    assert recognize(*base, "--out", "table.csv", "--baseline", "raw.csv") == 0
    assert recognize(*base, "--out", "film.csv", "--baseline", film) == 0
    raw, table = pd.read_csv("raw.csv"), pd.read_csv("table.csv")
    expected = (raw["AU12_r"] - raw["AU12_r"].median()).clip(0)
    assert table["AU12_r"].tolist() == pytest.approx(expected.tolist(), abs=2e-4) and table["AU12_r"].max() > 0
    assert (here / "film.csv").read_bytes() == (here / "table.csv").read_bytes()


def test_a_folder_takes_one_file_an_input(film, checkpoint, here):
    arguments = [film, film.parent / "missing.mp4", "--checkpoint", checkpoint, "--every", "6", "--faces", "none"]
    assert recognize(*arguments, "--out", "tables/", "--format", "parquet") == 1
    table = pd.read_parquet("tables/film.parquet")
    assert table["frame"].tolist() == [0, 6]
    failures = json.loads((here / "tables" / "meta.json").read_text())["failures"]
    assert [failure["path"] for failure in failures] == [str(film.parent / "missing.mp4")]


def test_a_killed_run_goes_on_and_writes_the_same_bytes(checkpoint, here, capsys):
    long = write_film(here / "long", seconds=5)[0]
    asked = [str(word) for word in (long, "--checkpoint", checkpoint, "--min-face", 0.3, "--batch-size", 4, "--out")]
    assert recognize(*asked, "whole.csv") == 0
    command = ["-m", "aullava.cli", "recognize", *asked, "cut.csv"]
    store = working_folder(here / "cut.csv")
    for stop in (signal.SIGKILL, signal.SIGINT):
        resume = ["--resume"] if store.exists() else []
        running, before = forked.start(*command, *resume), _saved(store)
        while running.returncode is None and _saved(store) <= before:
            time.sleep(0.02)
        running.send_signal(stop)
        said = running.finish().stderr
        assert running.returncode != 0 and not (here / "cut.csv").exists(), said
    assert running.returncode == 1 and "--resume continues from here" in said
    capsys.readouterr()
    assert recognize(*asked, "cut.csv") == 2
    assert "add --resume" in capsys.readouterr().err
    assert recognize(*asked, "cut.csv", "--resume", "--mode", "parallel") == 2
    assert "mode was 'joint', is 'parallel'" in capsys.readouterr().err
    assert recognize(*asked, "cut.csv", "--resume") == 0
    assert (here / "cut.csv").read_bytes() == (here / "whole.csv").read_bytes()
    assert not store.exists()


def _saved(store) -> int:
    """Frames that are safe on disk."""
    try:
        return json.loads((store / "000000.json").read_text())["frames"]
    except (FileNotFoundError, ValueError):
        return 0


@pytest.mark.parametrize(
    "flags, said",
    [
        ("--every 2 --fps 5", "give one of them"),
        ("--fps 0", "expected a number above 0"),
        ("--fps inf", "expected a number above 0"),
        ("--resume", "give --out"),
        ("--format csv", "name a folder"),
        ("--faces all", "unknown way to find faces"),
        ("--margin -1", "a share from 0 to 4"),
        ("--margin 0.3 --faces none", "only crops have one"),
        ("--framing margin=wide", "margin is 'wide', expected a number"),
        ("--framing largest=yes", "expected true or false"),
        ("--framing alignment=roll", "expected none, the only one there is"),
        ("--framing size=3", "expected detector=VALUE, margin=VALUE"),
        ("--framing margin=0.1,margin=0.2", "each once"),
        ("--framing margin=0.1 --faces none", "give one of them"),
        ("--framing detector=yunet:gone.onnx", "no YuNet weights at 'gone.onnx'"),
        ("--margin 0.1", "--margin 0.1 contradicts the checkpoint's framing, which has margin 0.07"),
        ("--faces haar --margin 0.1", "override with --framing margin=0.1"),
        ("--framing margin=0.3 --margin 0.1", "contradicts --framing, which has margin 0.3"),
        ("--min-face 1.5", "a share between 0 and 1"),
        ("--min-confidence 2", "expected 0 to 1"),
        ("--server http://localhost:1/v1", "give --checkpoint"),
        ("--intensities expected --mode generate --out t.csv", "no probabilities"),
        ("--blendshapes b.csv", "add --protocol feafa"),
        ("--smooth median:5", "give --out"),
        ("--smooth median:4 --out t.csv", "an odd number"),
        ("--smooth median:5 --out t.jsonl", "name a .csv or .parquet"),
        ("--smooth savgol:5:2 --protocol bp4d --out t.csv", "use median:WINDOW"),
        ("--baseline auto --protocol bp4d --out t.csv", "there is none for occurrences"),
        ("--baseline nowhere.png --out t.csv", "--baseline nowhere.png: No such file"),
        ("--out t.csv --summary t.csv", "name the same place"),
        ("--out t_pairs.csv --summary t.csv", "name the same place"),
        ("--out t.csv --summary t.meta.json", "name the same place"),
        ("--out t/ --summary t/film.csv", "is the table of an input"),
        ("--protocol disfa --protocol disfa", "each of another name"),
        ("--pattern a/*.mp4", "expected one for names of files"),
    ],
)
def test_flags_that_make_no_sense_are_refused(film, here, capsys, flags, said):
    assert recognize(film, *flags.split()) == 2
    assert said in capsys.readouterr().err
    assert not list(here.iterdir())


@pytest.mark.parametrize("flag", ["--out", "--overlay", "--plot", "--checkpoint", "--baseline"])
def test_the_name_of_a_variable_that_is_not_set_is_refused(film, flag):
    with pytest.raises(SystemExit, match="2"):
        recognize(film, flag, "")


def test_a_film_whose_name_is_not_utf8_and_one_that_cannot_be_read(film, checkpoint, here, capsys):
    odd = os.fsencode(here) + b"/new\nline \xfe.mp4"
    with open(odd, "wb") as file:
        file.write(film.read_bytes())
    asked = ["--checkpoint", checkpoint, "--faces", "none", "--every", "6", "--summary", "s.csv"]
    assert recognize(os.fsdecode(odd), *asked, "--out", "t.csv") == 0
    assert b"line \xfe.mp4" in (here / "s.csv").read_bytes() and b"line \xfe.mp4" in (here / "t.csv").read_bytes()
    (here / "empty.mp4").touch()
    assert recognize("empty.mp4", *asked) == 1
    assert len((here / "s.csv").read_text().splitlines()) == 1 and "failed: empty.mp4" in capsys.readouterr().err
    assert not list(here.glob(".*"))


def test_tables_keep_their_names_when_an_input_breaks(film, checkpoint, here):
    for folder in ("a", "b"):
        (here / folder).mkdir()
        (here / folder / "clip.mp4").write_bytes(film.read_bytes())
    asked = ["a", "b", "--checkpoint", checkpoint, "--faces", "none", "--every", "6", "--out", "t/"]
    assert recognize(*asked) == 0
    before = (here / "t" / "clip.csv").read_bytes(), (here / "t" / "clip-2.csv").read_bytes()
    (here / "a" / "clip.mp4").write_bytes(b"")
    assert recognize(*asked) == 1
    assert ((here / "t" / "clip.csv").read_bytes(), (here / "t" / "clip-2.csv").read_bytes()) == before


def test_two_lists_of_units_are_two_protocols(film, checkpoint, here):
    flags = "--faces none --every 12 --protocol AU1,AU4 --protocol AU12 --protocol disfa --scale intensity --out t.csv"
    assert recognize(film, "--checkpoint", checkpoint, *flags.split()) == 0
    table = pd.read_csv("t.csv")
    assert {"custom_AU01_r", "disfa_AU01_r", "custom_2_AU12_r"} <= {*table.columns}


def test_a_disk_that_is_full_keeps_what_was_read(film, checkpoint, here):
    """A limit on the size of files stops the page of a plot; --resume draws it."""
    asked = [str(film), "--checkpoint", str(checkpoint), "--faces", "none", "--every", "3"]
    asked += ["--out", "t.csv", "--plot", "plots"]
    script = here / "script.py"
    script.write_text(
        "import resource as r, sys; from aullava.cli import main; r.setrlimit(r.RLIMIT_FSIZE, (300_000, 300_000)); "
        "sys.exit(main(['recognize', *sys.argv[1:]]))"
    )
    done = forked.run(script, *asked)
    assert done.returncode == 1 and "plots/film_face0.html: not written: File too large" in done.stderr, done.stderr
    assert working_folder(here / "t.csv").exists() and not (here / "plots" / "film_face0.html").exists()
    assert recognize(*asked, "--resume") == 0
    assert (here / "plots" / "film_face0.html").exists() and not working_folder(here / "t.csv").exists()


def test_faces_are_framed_as_the_checkpoint_says_unless_told_otherwise(film, checkpoint, here, capsys):
    """A folder of the same weights whose configuration has another margin reads what --framing with that margin reads."""
    wide, older = here / "wide", here / "older"
    config = json.loads((checkpoint / "config.json").read_text())
    usual = {"detector": "haar", "margin": 0.25, "alignment": "none", "largest": False}
    assert config.pop("framing") == usual
    for folder, said in ((wide, {"framing": usual | {"margin": 0.6}}), (older, {"face_margin": 0.6})):
        shutil.copytree(checkpoint, folder)
        (folder / "config.json").write_text(json.dumps(config | said))
    asked = [film, "--every", "6", "--intensities", "expected", "--out"]
    assert recognize(*asked, "usual.csv", "--checkpoint", checkpoint) == 0
    assert recognize(*asked, "given.csv", "--checkpoint", checkpoint, "--framing", "margin=0.6") == 0
    assert recognize(*asked, "said.csv", "--checkpoint", wide) == 0
    assert recognize(*asked, "older.csv", "--checkpoint", older, "--margin", "0.6") == 0
    assert recognize(*asked, "told.csv", "--checkpoint", wide, "--framing", "margin=0.25", "--faces", "haar") == 0
    read = {name: Path(f"{name}.csv").read_bytes() for name in ("usual", "given", "said", "older", "told")}
    assert read["said"] == read["given"] == read["older"] != read["usual"] == read["told"]
    assert json.loads(Path("told.meta.json").read_text())["framing"] == {
        "used": usual,
        "checkpoint": usual | {"margin": 0.6},
    }
    assert recognize(*asked, "wrong.csv", "--checkpoint", wide, "--margin", "0.25") == 2
    said = capsys.readouterr().err
    assert "--margin 0.25 contradicts the checkpoint's framing, which has margin 0.6" in said
    assert "--framing margin=0.25" in said and not Path("wrong.csv").exists()


def test_whole_pictures_are_no_contradiction_and_are_told(film, checkpoint, here):
    assert recognize(film, "--every", 12, "--checkpoint", checkpoint, "--faces", "none", "--out", "t.csv") == 0
    framing = json.loads(Path("t.meta.json").read_text())["framing"]
    assert framing["used"]["detector"] == "none" and framing["checkpoint"]["detector"] == "haar"
