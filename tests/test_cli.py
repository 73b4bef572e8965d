"""The command line: exit codes, what is named, what is written. A real tiny checkpoint reads real files."""

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.cli import main
from aullava.commands import recognize_job as results
from aullava.recognition.tables import Layout
from aullava.recognition.writers import write_table

from tiny import make_tiny_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def album(tmp_path):
    """20 good pictures of four formats in two folders, and 5 files that are none."""
    folder = tmp_path / "album"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(20):
        place = folder / "more" if i >= 15 else folder
        pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"good{i}.{('png', 'jpg', 'webp', 'bmp')[i % 4]}")
    (folder / "text.png").write_text("I am no picture")
    (folder / "noise.jpg").write_bytes(rng.bytes(500))
    (folder / "empty.webp").touch()
    (folder / "truncated.png").write_bytes((folder / "good0.png").read_bytes()[:2000])
    Image.new("RGB", (20000, 10)).save(folder / "long.png")
    return folder


VERBS = ["build", "calibrate", "evaluate", "faces", "recognize", "release", "space"]
BROKEN = {"text.png", "noise.jpg", "empty.webp", "truncated.png", "long.png"}


def recognize(*arguments) -> int:
    return main(["recognize", *map(str, arguments)])


def test_twenty_good_and_five_broken_pictures(album, checkpoint, tmp_path, capsys):
    out = tmp_path / "rows.csv"
    code = recognize(album, "--checkpoint", checkpoint, "--faces", "none", "--out", out, "--batch-size", 7)
    printed = capsys.readouterr()
    assert code == 1
    named = {line for line in printed.err.splitlines() if line.startswith("failed: ")}
    assert len(named) == 5 and all(any(name in line for line in named) for name in BROKEN)
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20 and {row["status"] for row in rows} == {"ok"}
    assert [row["input"] for row in rows[:2]] == [str(album / "good0.png"), str(album / "good1.jpg")]
    assert list(rows[0]) == Layout((PROTOCOLS["disfa"],)).names
    assert "disfa" in printed.out and "good0.png" in printed.out


def test_all_read_exits_0_and_writes_json_lines_and_overlays(album, checkpoint, tmp_path):
    out, overlay = tmp_path / "rows.jsonl", tmp_path / "overlays"
    inputs = [album / "good0.png", album / "more"]
    more = ["--faces", "none", "--protocol", "AU12,AU1", "--scale", "intensity", "--mode", "joint", "--device", "cpu"]
    assert recognize(*inputs, "--checkpoint", checkpoint, *more, "--out", out, "--overlay", overlay) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 6 == len(list(overlay.glob("*.png")))
    assert list(rows[0]["values"]) == ["AU12", "AU1"] and rows[0]["scale"] == "intensity"
    assert len(rows[0]["probabilities"]["AU1"]) == 6


def test_a_picture_without_a_face_is_a_row_and_no_failure(album, checkpoint, tmp_path):
    out = tmp_path / "rows.csv"
    assert recognize(album / "good0.png", "--checkpoint", checkpoint, "--out", out) == 0
    (row,) = csv.DictReader(out.open(newline=""))
    assert (row["success"], row["status"], row["AU12_r"]) == ("0", "no_face", "")


def test_an_answer_that_is_no_answer_is_named_counted_and_exit_1(album, checkpoint, tmp_path, capsys):
    out = tmp_path / "rows.csv"
    arguments = [
        album / "good0.png",
        "--checkpoint",
        checkpoint,
        "--faces",
        "none",
        "--mode",
        "generate",
        "--out",
        out,
    ]
    assert recognize(*arguments) == 1
    printed = capsys.readouterr().err
    assert f"failed: {album / 'good0.png'}: the model wrote no valid answer for 1 face" in printed
    assert "1 reading invalid" in printed
    (row,) = csv.DictReader(out.open(newline=""))
    assert (row["success"], row["status"]) == ("0", "invalid")


def test_file_names_of_any_bytes_are_read_written_and_shown_on_any_terminal(album, checkpoint, monkeypatch, capsys):
    names = [b"caf\xe9.png", "café.png".encode(), b"\x1b[31mred\n.png"]
    odd = album.parent / "odd"
    odd.mkdir()
    for name in names:
        (odd / os.fsdecode(name)).write_bytes((album / "good0.png").read_bytes())
    (odd / "\x1b[2J.png").write_text("no picture")
    out, overlay = album.parent / "rows.csv", album.parent / "overlays"
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", screen)
    code = recognize(odd, "--checkpoint", checkpoint, "--faces", "none", "--out", out, "--overlay", overlay)
    monkeypatch.undo()
    assert code == 1
    assert all(name in out.read_bytes() for name in names)
    assert {os.fsencode(path.name) for path in overlay.iterdir()} == set(names)
    shown, named = screen.buffer.getvalue(), capsys.readouterr().err
    assert b"caf\\udce9.png" in shown and b"caf\\xe9.png" in shown and b"\\x1b[31mred\\n.png" in shown
    assert "\\x1b[2J.png" in named and b"\x1b" not in shown + named.encode()


def test_further_names_of_a_file_are_counted(album, checkpoint, capsys):
    (album / "more" / "dup.png").symlink_to(album / "good0.png")
    inputs = [album / "good0.png", album / "more", album / "good0.png"]
    assert recognize(*inputs, "--checkpoint", checkpoint, "--faces", "none") == 0
    assert (
        "read 6 of 6 inputs" in (printed := capsys.readouterr().err)
        and "2 further names of the same inputs" in printed
    )


def test_a_table_that_cannot_be_written_is_named_and_exit_1(album, checkpoint, monkeypatch, capsys):
    out = album.parent / "rows.csv"

    def block_then_write(*arguments, **options):
        out.mkdir()  # somebody takes the name while faces are read
        return write_table(*arguments, **options)

    monkeypatch.setattr(results, "write_table", block_then_write)
    assert recognize(album / "good0.png", "--checkpoint", checkpoint, "--faces", "none", "--out", out) == 1
    printed = capsys.readouterr()
    assert f"failed: {out}: not written" in printed.err and f"in {out}" not in printed.err
    assert "good0.png" in printed.out and "the same command with --resume writes it" in printed.err
    out.rmdir()
    monkeypatch.undo()
    assert recognize(album / "good0.png", "--checkpoint", checkpoint, "--faces", "none", "--out", out, "--resume") == 0
    assert len(out.read_text().splitlines()) == 2


def test_a_missing_input_among_others_is_a_failure(album, checkpoint, tmp_path, capsys):
    gone = tmp_path / "gone.png"
    assert recognize(gone, album / "good0.png", "--checkpoint", checkpoint, "--faces", "none") == 1
    assert f"failed: {gone}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--protocol", "bp5d"], "bp4d"),
        (["--protocol", "AU1,AU99"], "AU99"),
        (["--protocol", "disfa", "--scale", "occurrence"], "intensity"),
        (["--out", "rows.xlsx"], ".csv, .jsonl or .parquet"),
        (["--out", "album.csv"], "is a folder"),
        (["--out", "album/good0.png/rows.csv"], "cannot write"),
        (["--overlay", "album.csv/file"], "cannot write"),
        (["--out", "/proc/rows.csv"], "--out: cannot write to /proc"),
        (["--out", "x" * 252 + ".csv"], "too long"),
        (["--overlay", "/proc/overlays"], "--overlay: cannot write to /proc/overlays"),
        (["--overlay", "album/../album/more"], "lies among the inputs"),
        (["--overlay", "album/new/overlays"], "lies among the inputs"),
        (["--checkpoint", "nowhere"], "no checkpoint nowhere"),
        (["--checkpoint", "album"], "album"),
        (["--device", "abacus"], "abacus"),
        (["--device", "cuda:99"], "device cuda:99 cannot be used"),
    ],
)
def test_bad_usage_exits_2_says_why_and_writes_nothing(arguments, said, album, checkpoint, monkeypatch, capsys):
    monkeypatch.chdir(album.parent)
    (album.parent / "album.csv").mkdir()
    (album.parent / "album.csv" / "file").touch()
    before = sorted(album.parent.rglob("*"))
    defaults = [] if "--checkpoint" in arguments else ["--checkpoint", checkpoint]
    assert recognize("album", *defaults, *arguments) == 2
    assert said in capsys.readouterr().err
    assert sorted(album.parent.rglob("*")) == before


def test_nothing_to_read_exits_2_and_names_what_was_given(tmp_path, checkpoint, capsys):
    assert recognize(tmp_path / "gone", tmp_path, "--checkpoint", checkpoint) == 2
    printed = capsys.readouterr().err
    assert str(tmp_path / "gone") in printed and "no image or video in this folder" in printed
    assert recognize("", tmp_path, "--checkpoint", checkpoint) == 2
    assert "''" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["recognise", "x"],
        ["recognize"],
        ["recognize", "x", "--batch-size", "0"],
        ["recognize", "x", "--batch-size", "many"],
        ["recognize", "x", "--mode", "greedy"],
        ["faces", "x", "--count", "-1"],
        ["build"],
        ["build", "--corpus"],
        ["build", "--corpus", "procedural", "--faces", ""],
        ["build", "--corpus", "procedural", "--no-face", "perhaps"],
        ["build", "--corpus", "procedural", "--num-proc", "0"],
        ["build", "--corpus", "procedural", "--preview", "-1"],
        ["build", "--corpus", "procedural", "--subjects", ","],
    ],
)
def test_arguments_argparse_refuses_exit_2(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_release_writes_a_folder_and_says_what_stayed_behind(tmp_path, capsys):
    source = make_tiny_checkpoint(tmp_path / "training")
    (source / "training_args.bin").write_bytes(b"a pickle")
    arguments = ["release", str(tmp_path / "hub"), "--checkpoint", str(source)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "modeling_aullava.py" in printed
    assert "left behind" in printed and "training_args.bin" in printed
    (tmp_path / "hub" / "notes.txt").write_text("mine")
    assert main(arguments) == 2
    assert "notes.txt" in capsys.readouterr().err


def test_faces_draws_the_same_faces_for_the_same_seed(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert main(["faces", str(tmp_path / name), "--count", "3", "--seed", str(seed)]) == 0
    pictures = {name: [p.read_bytes() for p in sorted((tmp_path / name).rglob("*.png"))] for name in "abc"}
    assert len(pictures["a"]) == 3
    assert pictures["a"] == pictures["b"] != pictures["c"]
    assert len((tmp_path / "a" / "labels.csv").read_text().splitlines()) == 4


def test_faces_overwrites_nothing_and_sheets_take_no_count(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "labels.csv").write_text("mine")
    assert main(["faces", str(tmp_path / "mine")]) == 2
    assert "labels.csv" in capsys.readouterr().err
    assert [path.read_text() for path in (tmp_path / "mine").iterdir()] == ["mine"]
    for option in ("--count", "--seed"):
        assert main(["faces", str(tmp_path / "sheets"), "--sheet", option, "1"]) == 2
        assert option in capsys.readouterr().err
    assert not (tmp_path / "sheets").exists()
    assert main(["faces", str(tmp_path / "new"), "--seed", "-1"]) == 2
    assert list((tmp_path / "new").iterdir()) == []


def test_build_without_its_libraries_names_the_extra():
    code = "import sys; sys.modules['datasets'] = None; from aullava.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "build", "--corpus", "procedural", "--preview", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'au-llava[corpora]'" in done.stderr, done.stderr


VERBS = ["build", "calibrate", "evaluate", "faces", "recognize", "release", "space"]


def test_help_and_usage_errors_load_no_heavy_library_and_the_module_runs():
    code = (
        "import sys; from aullava.cli import main, verbs; print(*verbs()); code = main(['release', 'x']); "
        "heavy = {'torch', 'transformers', 'datasets', 'pandas'} & set(sys.modules); sys.exit(f'{heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and "aullava release: error: give OUT_DIR and --checkpoint" in done.stderr, done.stderr
    assert done.stdout.split() == VERBS
    shown = subprocess.run([sys.executable, "-m", "aullava.cli", "--help"], check=True, capture_output=True, text=True)
    assert all(f"\n    {verb}" in shown.stdout for verb in VERBS)


def test_without_a_verb_the_help_is_printed_as_an_error(capsys):
    assert main([]) == 2
    printed = capsys.readouterr()
    assert not printed.out and all(f"\n    {verb}" in printed.err for verb in VERBS)


@pytest.mark.parametrize("mode", ["joint", "parallel", "generate"])
def test_a_reading_uses_nothing_deprecated(checkpoint, tmp_path, mode):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "face.png")
    strict = [sys.executable, "-W", "error::FutureWarning", "-W", "error::DeprecationWarning", "-m", "aullava.cli"]
    words = ["recognize", "face.png", "--checkpoint", str(checkpoint), "--protocol", "disfa", "--mode", mode]
    done = subprocess.run([*strict, *words, "--out", "table.csv"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: untrained weights need not write an answer that can be read
    assert "Warning" not in done.stderr and "deprecated" not in done.stderr and (tmp_path / "table.csv").is_file()
