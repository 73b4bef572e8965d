"""`load_au_dataset` on a tree of every corpus: one schema, splits that share nobody, nothing stale, nothing dropped unsaid."""

import errno
import inspect
import logging
import math
import os
import pickle
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, IterableDataset
from PIL import Image

import aullava.dataset_builder
from aullava.dataset_builder import load_au_dataset
from aullava.dataset_builder.corpora.registry import open_corpus, options_of
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError
from aullava.dataset_builder.rows.builder import AUDatasetBuilder
from aullava.dataset_builder.rows.schema import features_of, value_columns

from trees import bp4d, disfa, every

HIGHEST = {"c": 1, "r": 5, "v": 1}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Corpus -> its rows, each loaded once."""
    found = {}

    def load(name: str) -> tuple[Dataset, dict]:
        if name not in found:
            root = tmp_path_factory.mktemp(name)
            data_dir, options = every.make(name, root)
            found[name] = load_au_dataset(name, data_dir, cache_dir=root / "cache", **options), (data_dir, options)
        return found[name]

    return load


def all_rows(rows) -> Dataset:
    """The rows of a corpus, whichever splits it has."""
    return next(iter(rows.values())) if isinstance(rows, DatasetDict) else rows


@pytest.mark.parametrize("name", every.CORPORA)
def test_every_corpus_gives_rows_of_the_one_schema(name, loaded):
    rows, (data_dir, options) = loaded(name)
    rows, reader = all_rows(rows), open_corpus(name, data_dir, **options)
    assert rows.features == features_of(reader.units, reader.groups)
    assert len(rows) > 0 and set(rows["status"]) == {"ok"} and set(rows["corpus"]) == {name}
    assert len(set(zip(rows["subject"], rows["sequence"], rows["camera"], rows["frame"], strict=True))) == len(rows)
    for column in value_columns(reader.units):
        values = np.array(rows[column], float)
        coded = values[~np.isnan(values)]
        assert ((coded >= 0) & (coded <= HIGHEST[column[-1]])).all(), column
    assert any(not np.isnan(np.array(rows[column], float)).all() for column in value_columns(reader.units))


@pytest.mark.parametrize("name", every.CORPORA)
def test_every_picture_opens_as_rgb(name, loaded):
    rows = all_rows(loaded(name)[0])
    for row in rows.select(range(0, len(rows), max(1, len(rows) // 5))):
        assert isinstance(row["image"], Image.Image) and row["image"].mode == "RGB" and min(row["image"].size) >= 16


@pytest.mark.parametrize("name", every.CORPORA)
def test_a_stream_gives_the_same_rows(name, loaded):
    rows, (data_dir, options) = loaded(name)
    stream = load_au_dataset(name, data_dir, streaming=True, **options)
    stream = next(iter(stream.values())) if isinstance(rows, DatasetDict) else stream
    assert isinstance(stream, IterableDataset)
    for streamed, kept in zip(stream, all_rows(rows), strict=True):
        for column, value in kept.items():
            other = streamed[column]
            if column == "image":
                assert np.array_equal(np.asarray(value), np.asarray(other))
            elif isinstance(value, float) and math.isnan(value):
                assert math.isnan(other), column
            else:
                assert value == pytest.approx(other), column


def test_the_choice_is_recorded_in_the_info(tmp_path):
    folder = disfa.make(tmp_path / "d", frames=3)
    info = load_au_dataset("disfa", folder, cache_dir=tmp_path / "c", camera="right", frames="jaanet").info
    assert '"camera": "right"' in info.description and '"frames": "jaanet"' in info.description
    assert "9 rows of 9 labelled frames" in info.description


@pytest.fixture
def tree(tmp_path):
    return bp4d.make(tmp_path / "bp4d")


def test_a_fold_gives_train_and_test_that_share_nobody(tree, tmp_path):
    parts = load_au_dataset("bp4d", tree, fold=1, cache_dir=tmp_path / "c")
    assert list(parts) == ["train", "test"]
    assert set(parts["test"]["subject"]) == {"F001"} and set(parts["train"]["subject"]) == {"F003", "M009"}
    assert set(parts["test"]["part"]) == {"part1"}
    alone = load_au_dataset("bp4d", tree, fold="megraphau_fold3", split="test", cache_dir=tmp_path / "c")
    assert set(alone["subject"]) == {"F001"}


def test_validation_people_come_out_of_the_training_people(tree, tmp_path):
    parts = load_au_dataset("bp4d", tree, fold="fold2", validation_share=0.5, cache_dir=tmp_path / "c")
    people = {name: set(rows["subject"]) for name, rows in parts.items()}
    assert list(parts) == ["train", "validation", "test"] and people["test"] == {"F003"}
    assert people["train"] | people["validation"] == {"F001", "M009"} and not people["train"] & people["validation"]


def test_the_owners_split_is_used_where_there_is_one(loaded):
    rows, _ = loaded("aff_wild2")
    assert list(rows) == ["train", "validation"]
    assert not set(rows["train"]["subject"]) & set(rows["validation"]["subject"])


def test_drawn_faces_of_a_split(tmp_path):
    options = {"count": 4, "draw_size": 32, "frames_per_identity": 2, "cache_dir": tmp_path / "c"}
    assert all(s.startswith("test-") for s in load_au_dataset("procedural", split="test", **options)["subject"])


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"split": "train"}, "without a fold.*fold1"),
        ({"fold": "fold9"}, "no fold 'fold9'"),
        ({"fold": "fold1", "split": "validation"}, "expected one of train, test"),
        ({"validation_share": 0.2}, "nothing says who trains"),
        ({"subjects": ["F001", "F999"]}, "no subject F999 on disk: it has F001, F003, M009"),
        ({"subjects": "F001"}, "expected a list"),
        ({"exclude_subjects": ["F999"]}, "exclude_subjects names F999"),
        ({"exclude_subjects": ["F001", "F003", "M009"]}, "leaves nobody"),
        ({"fold": 1, "exclude_subjects": ["F001"]}, "nobody to test on"),
        ({"protocol": "feafa"}, "codes nothing of protocol 'feafa'"),
    ],
)
def test_what_cannot_be_is_refused(tree, tmp_path, asked, message):
    with pytest.raises(CorpusError, match=message):
        load_au_dataset("bp4d", tree, cache_dir=tmp_path / "c", **asked)
    assert not list((tmp_path / "c").glob("**/*.arrow"))


def test_unknown_names_and_options_are_refused(tree):
    with pytest.raises(CorpusError, match="unknown corpus 'bp5d'.*bp4d"):
        load_au_dataset("bp5d", tree)
    for name in ("gft", "sewa"):
        with pytest.raises(CorpusError, match=f"{name} has no reader.*'table'"):
            load_au_dataset(name, tree)
    with pytest.raises(TypeError, match="bp4d has no option camera"):
        load_au_dataset("bp4d", tree, camera="left")
    with pytest.raises(LayoutError, match="expected the folder of DISFA"):
        load_au_dataset("disfa", tree)
    with pytest.raises(ValueError, match="no_face is 'skip'"):
        load_au_dataset("bp4d", tree, no_face="skip")
    with pytest.raises(ValueError, match="unknown protocol"):
        load_au_dataset("bp4d", tree, protocol="bp4d_13")


def test_a_protocol_takes_its_units_and_derives_its_scale(tmp_path):
    folder = disfa.make(tmp_path / "d")
    plain = load_au_dataset("disfa", folder, cache_dir=tmp_path / "c")
    asked = load_au_dataset("disfa", folder, protocol="disfa_occurrence", cache_dir=tmp_path / "c")
    assert [c for c in asked.column_names if c.startswith("AU")] == [
        f"AU{n:02d}_c" for n in (1, 2, 4, 6, 9, 12, 25, 26)
    ]
    levels = np.array(plain["AU12_r"])
    assert np.array_equal(np.array(asked["AU12_c"]), levels >= 2) and len(set(levels)) > 2


def test_units_that_a_corpus_does_not_code_are_nan(tmp_path):
    rows = load_au_dataset("disfa", disfa.make(tmp_path / "d"), protocol="bp4d", cache_dir=tmp_path / "c")
    assert np.isnan(rows["AU07_c"]).all() and not np.isnan(rows["AU12_c"]).any()


def test_exclusion_and_selection(tree, tmp_path):
    assert set(load_au_dataset("bp4d", tree, subjects=["F003"], cache_dir=tmp_path / "c")["subject"]) == {"F003"}
    left = load_au_dataset("bp4d", tree, exclude_subjects=["F003"], cache_dir=tmp_path / "c")
    assert set(left["subject"]) == {"F001", "M009"}
    streamed = load_au_dataset("bp4d", tree, exclude_subjects=["F003"], streaming=True)
    assert {row["subject"] for row in streamed} == {"F001", "M009"}


def test_rows_that_cannot_be_used_are_left_out_and_counted(tree, tmp_path, caplog):
    pictures = sorted((tree / "Sequences_2D+3D" / "F001" / "T1").iterdir())
    pictures[0].unlink()
    pictures[1].write_bytes(pictures[1].read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        rows = load_au_dataset("bp4d", tree, cache_dir=tmp_path / "c", counts=(counts := Counter()))
    assert counts == {("rows", "ok"): 22, ("rows", "no_picture"): 1, ("rows", "unreadable"): 1}
    assert "22 rows of 24 labelled frames; left out: 1 no_picture, 1 unreadable" in caplog.text
    assert "left out: 1 no_picture, 1 unreadable" in rows.info.description and len(rows) == 22


def test_frames_without_a_face_are_dropped_or_kept_by_choice(tree, tmp_path):
    with pytest.raises(CorpusError, match="0 rows of 24 labelled frames; left out: 24 no_face"):
        load_au_dataset("bp4d", tree, faces="auto", cache_dir=tmp_path / "c")
    kept = load_au_dataset("bp4d", tree, faces="auto", no_face="keep", cache_dir=tmp_path / "c")
    assert set(kept["status"]) == {"no_face"} and kept[0]["box_x"] is None and len(kept) == 24


def test_faces_are_found_and_cropped(tmp_path):
    options = {"count": 3, "draw_size": 128, "cache_dir": tmp_path / "c"}
    rows = load_au_dataset("procedural", faces="auto", no_face="keep", size=48, split="train", **options)
    found = rows.filter(lambda status: status == "ok", input_columns="status")
    assert len(found) and found[0]["image"].size == (48, 48)
    assert found[0]["box_w"] > 10 and 0 < found[0]["face_score"] <= 1


def test_the_cache_serves_what_did_not_change(tree, tmp_path):
    first = load_au_dataset("bp4d", tree, cache_dir=tmp_path / "c")
    again = load_au_dataset("bp4d", tree, cache_dir=tmp_path / "c")
    assert first.cache_files == again.cache_files and len(list((tmp_path / "c").glob("**/*.arrow"))) == 1


def test_a_changed_label_is_noticed(tree, tmp_path):
    def value():
        return load_au_dataset("bp4d", tree, cache_dir=tmp_path / "c")[0]["AU12_c"]

    path = tree / "AUCoding" / "AU_OCC" / "F001_T1.csv"
    lines, before = path.read_bytes().split(b"\n"), value()
    cells = lines[1].split(b",")
    cells[12] = b"0" if before else b"1"
    lines[1] = b",".join(cells)
    state = path.stat()
    path.write_bytes(b"\n".join(lines))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert value() == 1 - before


def test_a_changed_picture_is_noticed(tree, tmp_path):
    before = load_au_dataset("bp4d", tree, cache_dir=tmp_path / "c")
    next((tree / "Sequences_2D+3D" / "F001" / "T1").iterdir()).unlink()
    assert len(load_au_dataset("bp4d", tree, cache_dir=tmp_path / "c")) == len(before) - 1


def test_two_processes_give_the_rows_of_one(tmp_path):
    folder = disfa.make(tmp_path / "d")
    one = load_au_dataset("disfa", folder, cache_dir=tmp_path / "1")
    two = load_au_dataset("disfa", folder, cache_dir=tmp_path / "2", num_proc=2)
    assert str(one.to_dict()) == str(two.to_dict())  # as text, in which NaN equals NaN


def test_the_package_gives_one_name():
    assert aullava.dataset_builder.__all__ == ["load_au_dataset"]
    with pytest.raises(AttributeError, match="no attribute 'load_everything'"):
        aullava.dataset_builder.load_everything  # noqa: B018


@pytest.mark.parametrize("num_proc", [None, 2])
def test_a_broken_label_file_is_named_by_any_number_of_processes(tmp_path, num_proc):
    data_dir = disfa.make(tmp_path / "disfa")
    broken = data_dir / "ActionUnit_Labels" / "SN006" / "SN006_au4.txt"
    broken.write_text("1,0\n2,7\n")
    with pytest.raises(LabelError, match=r"SN006_au4\.txt, line 2: found '7'"):
        load_au_dataset("disfa", data_dir, cache_dir=tmp_path / "cache", num_proc=num_proc)
    assert not list((tmp_path / "cache").rglob("*.arrow"))


def test_a_full_disk_is_told_as_such(tree, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("datasets.arrow_writer.ArrowWriter.write", full)
    with pytest.raises(OSError, match="No space left"):
        load_au_dataset("bp4d", tree, cache_dir=tmp_path / "cache")


def test_a_changed_label_is_noticed_though_size_and_time_are_as_before(tmp_path):
    data_dir, cache = disfa.make(tmp_path / "disfa"), tmp_path / "cache"
    before = load_au_dataset("disfa", data_dir, cache_dir=cache)["AU01_r"][0]
    label = data_dir / "ActionUnit_Labels" / "SN001" / "SN001_au1.txt"
    state, text = label.stat(), label.read_text()
    label.write_text(text.replace(f"1,{before:g}", "1,4", 1), newline="")
    os.utime(label, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert load_au_dataset("disfa", data_dir, cache_dir=cache)["AU01_r"][0] == 4 != before


def test_a_stream_can_be_given_to_a_spawned_process(tree):
    stream = load_au_dataset("bp4d", tree, streaming=True)
    assert len(list(pickle.loads(pickle.dumps(stream)))) == len(list(stream))


def test_an_exclusion_holds_in_whatever_it_is_given(tree, tmp_path):
    for given in (["F001"], ("F001",), {"F001"}, iter(["F001"])):
        rows = load_au_dataset("bp4d", tree, cache_dir=tmp_path / "cache", exclude_subjects=given)
        assert "F001" not in rows["subject"]
    assert set(load_au_dataset("bp4d", tree, cache_dir=tmp_path / "cache", subjects=iter(["F001"]))["subject"]) == {
        "F001"
    }


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"exclude_subjects": "F001"}, r"expected a list of ids, such as \['F001'\]"),
        ({"subjects": []}, "subjects is empty"),
        ({"fold": 1.0}, "no fold '1.0'"),
        ({"follow_links": "no"}, "expected True or False"),
        ({"data_dir": None}, "data_dir is empty"),
    ],
)
def test_slips_of_the_pen_are_named(tree, asked, message):
    with pytest.raises(CorpusError, match=message):
        load_au_dataset("bp4d", **({"data_dir": tree, "streaming": True} | asked))


@pytest.mark.parametrize("name", every.CORPORA)
def test_every_option_of_a_corpus_reaches_its_reader(name):
    ours = {*inspect.signature(load_au_dataset).parameters, *inspect.signature(AUDatasetBuilder).parameters}
    assert set(options_of(name)) & ours <= {"split"}  # which load_au_dataset hands on
