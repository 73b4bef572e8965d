"""`aullava build` from arguments to folder: what is written, what is said, what a second run does."""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import datasets
import numpy as np
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from aullava.cli import main
from aullava.dataset_builder.publish import shards
from aullava.dataset_builder.publish.manifest import config_name

from trees.bp4d import make
from trees.written import contents

DRAWN = [
    "--corpus",
    "procedural",
    "--option",
    "frames_per_identity=2",
    "--option",
    "draw_size=32",
    "--option",
    "count=6",
]


def build(*arguments) -> int:
    return main(["build", *map(str, arguments)])


def bp4d(tree: Path, out: Path, *more) -> int:
    return build("--corpus", "bp4d", "--data-dir", tree, "--out", out, *more)


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture
def tree(tmp_path):
    """F001, F003 and M009 (parts 1, 2, 3), two sequences of four frames each."""
    return make(tmp_path / "BP4D")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "rows"


def test_a_build_loads_as_a_dataset_whole_and_by_fold(tree, out, tmp_path, capsys):
    assert bp4d(tree, out) == 0
    printed = capsys.readouterr()
    assert "Self-check" in printed.out and "146,847" in printed.out
    assert "24 rows of 24 labelled frames, 3 subjects" in printed.err
    assert sorted(contents(out)) == [
        "README.md",
        *(f"data/{name}.parquet" for name in ("F001", "F003", "M009")),
        "manifest.json",
    ]
    whole = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert list(whole) == ["train"] and whole["train"].num_rows == 24
    assert whole["train"].features["image"] == datasets.Image(mode="RGB")
    row = whole["train"][0]
    assert (row["subject"], row["sequence"], row["frame"], row["part"], row["status"]) == (
        "F001",
        "T1",
        8,
        "part1",
        "ok",
    )
    assert row["image"].mode == "RGB" and row["image"].size == (32, 32)
    [picture] = whole["train"].with_format("arrow")[:1]["image"].to_pylist()
    assert picture["bytes"] == (tree / "Sequences_2D+3D/F001/T1/0008.jpg").read_bytes() and "/" not in picture["path"]
    fold = datasets.load_dataset(str(out), "fold1", cache_dir=str(tmp_path / "cache"))
    assert set(fold["train"]["subject"]) == {"F003", "M009"} and set(fold["test"]["subject"]) == {"F001"}
    assert fold["test"].features == whole["train"].features
    reversed_fold = datasets.load_dataset(str(out), "megraphau_fold1", split="test", cache_dir=str(tmp_path / "cache"))
    assert set(reversed_fold["subject"]) == {"M009"}


def test_values_and_holes_survive(out, tmp_path):
    tree = make(tmp_path / "BP4D", frames=8)  # level 9, not coded, is in frame 14
    assert bp4d(tree, out) == 0
    rows = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache")).remove_columns("image")
    labels = (tree / "AUCoding/AU_OCC/F001_T1.csv").read_text().splitlines()
    head, first = (line.split(",") for line in labels[:2])
    written = {column: rows[0][column] for column in rows.column_names if column.endswith("_c")}
    assert len(written) == 27
    for column, value in written.items():
        said = first[head.index(str(int(column[2:4])))]
        assert value == float(said)
    levels = np.array(rows["AU06_r"])
    assert np.isnan(levels).any() and np.nanmax(levels) <= 5


def test_card_and_manifest_say_what_was_done(tree, out):
    (tree / "Sequences_2D+3D/F001/T1/0008.jpg").unlink()
    assert bp4d(tree, out, "--protocol", "bp4d") == 0
    card = DatasetCard.load(out / "README.md")
    assert [config["config_name"] for config in card.data.to_dict()["configs"]][:2] == ["default", "fold1"]
    assert card.data.license == "other"
    for words in ("by request", "Do not pass them on", "no_picture", "bp4d/F001/T1//8", "| 23 | ok |", "Self-check"):
        assert words in card.content
    manifest = manifest_of(out)
    assert manifest["settings"]["protocol"]["name"] == "bp4d" and manifest["code"]["version"]
    assert manifest["totals"]["labelled_frames"] == {"no_picture": 1, "ok": 23} and manifest["totals"]["rows"] == 23
    for shard in manifest["shards"]:
        assert shard["sha256"] == hashlib.sha256((out / shard["file"]).read_bytes()).hexdigest()
        assert shard["bytes"] == (out / shard["file"]).stat().st_size
        assert shard["census"]["frames"] == {shard["name"]: 8}
    assert str(tree) not in (out / "manifest.json").read_text() + card.content


def test_what_is_left_out_is_counted_and_named(tree, out, capsys):
    pictures = tree / "Sequences_2D+3D"
    whole = (pictures / "F003/T2/0010.jpg").read_bytes()
    (pictures / "F003/T2/0010.jpg").write_bytes(whole[: len(whole) // 2])
    (pictures / "F003/T2/0011.jpg").write_bytes(b"no picture")
    shutil.rmtree(pictures / "M009")
    assert bp4d(tree, out) == 0
    said = capsys.readouterr().err
    assert "left out: 8 no_picture, such as bp4d/M009/T1//8" in said
    assert "left out: 2 unreadable, such as bp4d/F003/T2//10, bp4d/F003/T2//11" in said
    assert not (out / "data/M009.parquet").exists()  # nothing of M009 is usable
    manifest = manifest_of(out)
    shards = {shard["name"]: shard for shard in manifest["shards"]}
    assert shards["F003"]["statuses"] == {"ok": 6, "unreadable": 2} and shards["M009"]["file"] is None
    assert "no configuration fold3: " in said and "nobody to test on" in said  # M009 alone is in part 3
    assert set(manifest["configurations"]) == {"default", "fold1", "fold2", "megraphau_fold2", "megraphau_fold3"}


def test_nothing_usable_is_a_failure(tree, out, capsys):
    shutil.rmtree(tree / "Sequences_2D+3D")
    assert bp4d(tree, out) == 1
    assert "no row is usable" in capsys.readouterr().err
    assert sorted(contents(out)) == ["README.md", "manifest.json"]


def test_a_second_run_skips_what_is_finished_and_changes_nothing(tree, out, capsys):
    assert bp4d(tree, out) == 0
    before = contents(out)
    times = {path: path.stat().st_mtime_ns for path in (out / "data").iterdir()}
    capsys.readouterr()
    assert bp4d(tree, out) == 0
    assert "3 of 3 shards are finished and unchanged: skipped" in capsys.readouterr().err
    assert contents(out) == before
    assert {path: path.stat().st_mtime_ns for path in (out / "data").iterdir()} == times


def test_a_changed_source_is_built_anew_and_only_it(tree, out, capsys):
    assert bp4d(tree, out) == 0
    before = contents(out)
    labels = tree / "AUCoding/AU_OCC/F003_T1.csv"
    lines = labels.read_text().splitlines()
    head, first = lines[0].split(","), lines[1].split(",")
    first[head.index("12")] = str(1 - int(first[head.index("12")]))
    labels.write_text("\n".join([lines[0], ",".join(first), *lines[2:]]) + "\n")
    Image.new("RGB", (40, 40)).save(tree / "Sequences_2D+3D/M009/T1/008.jpg")
    capsys.readouterr()
    assert bp4d(tree, out) == 0
    assert "1 of 3 shards are finished" in capsys.readouterr().err
    changed = {name for name, digest in contents(out).items() if before[name] != digest}
    assert changed == {"README.md", "manifest.json", "data/F003.parquet", "data/M009.parquet"}


def test_a_damaged_shard_is_built_anew(tree, out):
    assert bp4d(tree, out) == 0
    before = contents(out)
    shard = out / "data/F001.parquet"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    assert bp4d(tree, out) == 0
    assert contents(out) == before


def test_subjects_no_longer_asked_for_go(tree, out, capsys):
    assert bp4d(tree, out) == 0
    capsys.readouterr()
    assert bp4d(tree, out, "--exclude-subjects", "F003") == 0
    said = capsys.readouterr().err
    assert "2 of 3 shards" not in said and "2 of 2 shards are finished" in said and "F003" in said
    assert {path.name for path in (out / "data").iterdir()} == {"F001.parquet", "M009.parquet"}
    fresh = out.with_name("fresh")
    assert bp4d(tree, fresh, "--subjects", "M009,F001") == 0
    assert contents(out) == contents(fresh)


def test_other_settings_in_the_same_folder_are_refused(tree, out, capsys):
    assert bp4d(tree, out) == 0
    before = contents(out)
    assert bp4d(tree, out, "--protocol", "AU12", "--no-face", "keep") == 2
    said = capsys.readouterr().err
    assert 'no_face: there "drop", now "keep"' in said and "protocol" in said and "another folder" in said
    assert contents(out) == before


def test_a_broken_label_file_fails_its_subject_alone(tree, out, capsys):
    labels = tree / "AUCoding/AU_OCC/F003_T2.csv"
    text = labels.read_text()
    labels.write_text(text.replace("\n9,", "\n9,7", 1))
    assert bp4d(tree, out) == 1
    said = capsys.readouterr().err
    assert "failed: F003: " in said and "F003_T2.csv, line 3" in said
    manifest = manifest_of(out)
    [failure] = manifest["failed"]
    assert failure["subjects"] == ["F003"] and str(tree) not in failure["error"]
    assert {path.name for path in (out / "data").iterdir()} == {"F001.parquet", "M009.parquet"}
    assert "F003" in (out / "README.md").read_text()
    labels.write_text(text)
    assert bp4d(tree, out) == 0
    fresh = out.with_name("fresh")
    assert bp4d(tree, fresh) == 0
    assert contents(out) == contents(fresh)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--corpus", "bp5d"], "unknown corpus"),
        (["--corpus", "gft"], "no reader"),
        (["--corpus", "bp4d"], "--data-dir is missing"),
        (["--corpus", "bp4d", "--data-dir", "missing"], "no such folder"),
        (["--corpus", "bp4d", "--data-dir", "."], "expected the folder of"),
        ([*DRAWN, "--option", "colour=red"], "count=1000"),
        ([*DRAWN, "--option", "count"], "key=value"),
        ([*DRAWN, "--option", "draw_seed=two"], "expected a number"),
        ([*DRAWN, "--protocol", "happy"], "happy"),
        ([*DRAWN, "--size", "96"], "faces"),
        ([*DRAWN, "--faces", "auto", "--margin", "9"], "margin"),
        ([*DRAWN, "--margin", "0.5"], "only crops have one"),
        ([*DRAWN, "--faces", "mtcnn"], "unknown way to find faces"),
        ([*DRAWN, "--subjects", "train-000000,nobody"], "no subject nobody"),
        ([*DRAWN, "--exclude-subjects", "train-000000,train-000001,train-000002"], "leaves nobody"),
        ([*DRAWN, "--fold", "fold1"], "no fold"),
        ([*DRAWN, "--i-hold-the-right", "because I say so, as I may"], "--push"),
        ([*DRAWN, "--push", "no/such/name"], "ORG/NAME"),
    ],
)
def test_bad_usage_exits_2_and_writes_nothing(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert build(*arguments, "--out", "rows") == 2
    assert words in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_out_is_needed_and_must_not_lie_in_the_corpus(tree, capsys):
    assert build("--corpus", "bp4d", "--data-dir", tree) == 2
    assert "--out is missing" in capsys.readouterr().err
    assert bp4d(tree, tree / "rows") == 2
    assert "outside" in capsys.readouterr().err and not (tree / "rows").exists()


def test_help_lists_the_corpora(capsys):
    with pytest.raises(SystemExit) as stop:
        build("--help")
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("bp4d_plus", "casme2", "procedural", "table"))


def test_a_fold_of_ones_own_becomes_a_configuration(tree, out, tmp_path):
    assert bp4d(tree, out, "--fold", "loso:F003", "--fold", "fold2") == 0
    assert set(manifest_of(out)["configurations"]) == {"default", "loso_F003", "fold2"}
    loaded = datasets.load_dataset(str(out), "loso_F003", split="test", cache_dir=str(tmp_path / "cache"))
    assert set(loaded["subject"]) == {"F003"}


def test_owners_splits_become_a_configuration(out, tmp_path):
    assert build(*DRAWN, "--out", out) == 0
    loaded = datasets.load_dataset(str(out), "owners", cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"] and loaded["train"].num_rows == 6


def test_frames_without_a_face_are_left_out_or_kept(tree, out, capsys):
    """Grey pictures show no face."""
    crop = ["--faces", "auto", "--size", 32, "--subjects", "F001"]
    assert bp4d(tree, out, *crop) == 1
    assert "left out: 8 no_face" in capsys.readouterr().err
    kept = out.with_name("kept")
    assert bp4d(tree, kept, *crop, "--no-face", "keep") == 0
    assert manifest_of(kept)["totals"]["labelled_frames"] == {"no_face": 8}
    assert manifest_of(kept)["totals"]["rows"] == 8


@contextmanager
def files_of_at_most(size: int):
    """A disk that takes no file of more bytes: what a full one does, for files of ours alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_whole_shards_and_the_same_command_goes_on(tree, out, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    for picture in (tree / "Sequences_2D+3D/M009/T1").iterdir():
        Image.fromarray(noise).save(picture, quality=100)
    with files_of_at_most(500_000):
        assert bp4d(tree, out) == 1
    said = capsys.readouterr().err
    assert "stopped: " in said and "M009.parquet" in said and "too large" in said
    assert "2 of 3 shards are finished; run the same command again to resume" in said
    assert sorted(contents(out)) == ["data/F001.parquet", "data/F003.parquet"]
    assert bp4d(tree, out) == 0
    assert "2 of 3 shards are finished and unchanged" in capsys.readouterr().err
    fresh = out.with_name("fresh")
    assert bp4d(tree, fresh) == 0
    assert contents(out) == contents(fresh)


def test_preview_prints_turns_and_writes_nothing(tree, tmp_path, capsys):
    before = contents(tmp_path)
    assert build("--corpus", "bp4d", "--data-dir", tree, "--preview", 3) == 0
    shown = capsys.readouterr().out
    assert all(f"bp4d/{subject}" in shown or subject in shown for subject in ("F001", "F003", "M009"))
    assert "AU" in shown
    assert contents(tmp_path) == before


def test_a_licensed_corpus_is_not_uploaded_without_a_statement(tree, out, capsys):
    for right in ([], ["--i-hold-the-right", "  "]):
        assert bp4d(tree, out, "--push", "lab/rows", *right) == 2
        said = capsys.readouterr().err
        assert "must not be passed on" in said and "--i-hold-the-right" in said
    assert not out.exists()


def test_a_decoder_that_is_not_installed_is_named(tmp_path, monkeypatch, capsys):
    from trees.disfa import make as make_disfa

    tree = make_disfa(tmp_path / "DISFA")
    monkeypatch.setitem(sys.modules, "av", None)
    assert build("--corpus", "disfa", "--data-dir", tree, "--out", tmp_path / "rows") == 1
    assert "stopped: " in (said := capsys.readouterr().err) and "pip install 'au-llava[video]'" in said
    assert contents(tmp_path / "rows") == {}
    assert build("--corpus", "disfa", "--data-dir", tree, "--preview", 2) == 2
    assert "pip install 'au-llava[video]'" in capsys.readouterr().err


def test_control_c_leaves_whole_shards(tree, out, monkeypatch, capsys):
    real, done = shards.rows_of_subject, []

    def interrupted(reader, subject, *more):
        done.append(subject)
        for number, row in enumerate(real(reader, subject, *more)):
            if subject == "F003" and number == 5:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(shards, "rows_of_subject", interrupted)
    assert bp4d(tree, out) == 1
    assert "stopped: " in (said := capsys.readouterr().err) and "interrupted" in said and "1 of 3 shards" in said
    assert list(contents(out)) == ["data/F001.parquet"] and done == ["F001", "F003"]


def test_a_table_that_lies_in_the_output_folder_is_not_removed(tmp_path, capsys):
    """PROJECT/data/labels.parquet with --out PROJECT: the builder's own shards lie in a folder of that name."""
    from trees.table import make as make_table

    table = make_table(tmp_path / "project" / "data", kind="parquet")
    before = contents(tmp_path)
    for data_dir in (table, table / "labels.parquet"):
        assert build("--corpus", "table", "--data-dir", data_dir, "--out", tmp_path / "project") == 2
        assert "which is read" in capsys.readouterr().err
    assert build(*DRAWN, "--out", tmp_path / "project") == 2  # not ours, whatever is read
    assert "data" in capsys.readouterr().err
    assert contents(tmp_path) == before and not (tmp_path / "project/.build").exists()


def test_folders_that_options_name_are_looked_after_too(tmp_path, capsys):
    from trees.every import make as make_corpus

    folder, options = make_corpus("feafa_plus", tmp_path)
    command = ["--corpus", "feafa_plus", "--data-dir", folder, "--option", f"disfa_dir={options['disfa_dir']}"]
    assert build(*command, "--out", tmp_path / "disfa/rows") == 2
    assert "disfa, a folder of FEAFA+" in capsys.readouterr().err
    assert build(*command, "--out", tmp_path / "rows") == 0
    assert manifest_of(tmp_path / "rows")["settings"]["options"] == {"disfa_dir": "disfa"}
    assert str(tmp_path) not in (tmp_path / "rows/.build/settings.json").read_text()


def test_a_failure_names_no_place_of_the_machine_in_the_manifest(tree, out, tmp_path, capsys):
    elsewhere = tmp_path / "secret" / "F003"
    elsewhere.parent.mkdir()
    (tree / "Sequences_2D+3D/F003").rename(elsewhere)
    (tree / "Sequences_2D+3D/F003").symlink_to(elsewhere)
    assert bp4d(tree, out, "--push", "lab/rows", "--i-hold-the-right", "our agreement allows it\n\n# a copy") == 1
    said = capsys.readouterr().err
    assert str(elsewhere) in said and "not uploaded: only a build without failures" in said
    [failure] = manifest_of(out)["failed"]
    assert failure["error"].startswith("DATA_DIR/") and "secret" not in json.dumps(manifest_of(out))
    assert "Stated for an upload: `our agreement allows it # a copy`" in (out / "README.md").read_text()


def test_names_of_a_corpus_do_not_become_markup_of_the_card(tmp_path):
    subjects = ["line\nbreak", "<b>x</b>", "`code`", "[a](http://b)"]
    rows = "".join(f'p{n}.png,"{name}",1\np.png,"{name}",0\n' for n, name in enumerate(subjects))
    (tmp_path / "labels.csv").write_text("image,subject,AU12_c\n" + rows)
    for number in range(len(subjects)):
        Image.new("RGB", (32, 32)).save(tmp_path / f"p{number}.png")
    assert build("--corpus", "table", "--data-dir", tmp_path / "labels.csv", "--out", tmp_path / "rows") == 0
    card = (tmp_path / "rows/README.md").read_text()
    for name in ("line\\nbreak", "<b>x</b>", "'code'", "[a](http://b)"):
        assert f"`table/{name}//" in card
    assert "license_name: unknown" in card


def test_a_card_promises_people_only_where_they_are_known(tree, out, tmp_path):
    from trees.aff_wild2 import make as make_videos

    assert bp4d(tree, out) == 0 and "Nobody is in two splits" in (out / "README.md").read_text()
    videos = make_videos(tmp_path / "videos")
    assert build("--corpus", "aff_wild2", "--data-dir", videos, "--out", tmp_path / "video-rows") == 0
    card = (tmp_path / "video-rows/README.md").read_text()
    assert "Nobody" not in card and "No subject is in two splits" in card


def test_a_fold_by_its_number_has_its_name(tree, out):
    assert bp4d(tree, out, "--fold", "1") == 0
    assert set(manifest_of(out)["configurations"]) == {"default", "fold1"}


def test_configurations_have_names_that_are_short_and_never_alike():
    odd = ["loso:a b", "loso:a|b", "loso:a_b", "loso:" + "x" * 300, "loso:日本"]
    names = {config_name(fold) for fold in odd}
    assert len(names) == len(odd) and max(map(len, names)) <= 100 and "loso_a_b" in names


def test_stdout_that_takes_nothing_does_not_end_a_build(tree, out, tmp_path):
    command = [sys.executable, "-m", "aullava.cli", "build", "--corpus", "bp4d", "--data-dir", tree, "--out", out]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "README.md has it" in done.stderr and "24 rows" in done.stderr


def test_the_printed_table_cuts_nothing_off_in_a_file(out, tmp_path, capsys):
    from trees.feafa import make as make_feafa

    assert build("--corpus", "feafa", "--data-dir", make_feafa(tmp_path / "FEAFA"), "--out", out) == 0
    printed = capsys.readouterr().out
    assert "feafa_14_left_lip_corner_stretch" in printed and "…" not in printed


def test_out_of_memory_is_told_and_leaves_whole_shards(tree, out, monkeypatch, capsys):
    def hungry(*_):
        raise MemoryError

    monkeypatch.setattr(shards, "rows_of_subject", hungry)
    assert bp4d(tree, out) == 1
    assert "stopped: " in (said := capsys.readouterr().err) and "out of memory" in said
    assert contents(out) == {}


def test_control_c_before_the_first_shard_is_no_traceback(tree, out, monkeypatch, capsys):
    from aullava.dataset_builder.publish import build as work

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "Sources", interrupted)
    assert bp4d(tree, out) == 1
    assert "aullava build: interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--out", "--data-dir"])
def test_an_empty_name_is_not_the_current_folder(flag, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        build(*DRAWN, flag, "")
    assert stop.value.code == 2 and "the name is empty" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_a_tilde_is_the_home_folder(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert bp4d("~/BP4D", "~/BP4D/rows") == 2
    assert bp4d("~/BP4D", "~/rows", "--subjects", "F001") == 0
    assert (tmp_path / "rows/README.md").exists() and not (tmp_path / "~").exists()
