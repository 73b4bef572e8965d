"""One shard: names, row groups, bytes, and pictures that are looked at once."""

from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aullava.dataset_builder.publish import shards
from aullava.dataset_builder.publish.request import make_job
from aullava.dataset_builder.publish.shards import Plan, plan_shards, write_shard
from aullava.dataset_builder.rows import images as pictures

from trees.bp4d import make


def corpus(subjects, split=lambda subject: "") -> SimpleNamespace:
    """What `plan_shards` asks a reader."""
    return SimpleNamespace(name="table", subjects=lambda: tuple(subjects), native_split=split)


@given(st.lists(st.text(min_size=1, max_size=100), unique=True, max_size=20))
def test_shard_names_are_safe_file_names_and_no_two_are_alike_to_any_file_system(subjects):
    names = [plan.name for plan in plan_shards(corpus(subjects), subjects)]
    assert len({name.lower() for name in names}) == len(subjects)
    for name in names:
        assert Path(name).name == name and name.isascii() and name[0].isalnum() and len(name) < 120
        assert not set(name) & set('*?[]{}!<>:"|\\ ')


def test_ordinary_ids_are_their_files_names_whoever_else_is_built():
    plans = plan_shards(
        corpus(["F001", "042-ll042", "train-000017", "f001", "a/b"]), ["042-ll042", "train-000017", "F001"]
    )
    assert [plan.name for plan in plans][:2] == ["042-ll042", "train-000017"]
    assert plans[2].name.startswith("F001-")  # f001 is on disk, too, so both carry a hash


def test_thousands_of_subjects_share_shards_that_no_split_cuts_through():
    subjects = [f"N_{number:06d}" for number in range(2550)]
    plans = plan_shards(corpus(subjects, lambda s: "train" if s < "N_001050" else "test"), subjects)
    assert [subject for plan in plans for subject in plan.subjects] == subjects
    assert len(plans) == 26 and {len(plan.subjects) for plan in plans} == {100, 50}
    for plan in plans:
        assert len({subject < "N_001050" for subject in plan.subjects}) == 1
    assert len({plan.name for plan in plans}) == 26


@pytest.fixture
def job(tmp_path):
    return make_job("bp4d", make(tmp_path / "BP4D", frames=6))


def write(job, target: Path):
    return write_shard(job.open(), Plan("F001", ("F001",)), job, "a fingerprint", target, lambda frames: None)


def test_rows_are_streamed_in_small_groups_and_the_bytes_are_always_the_same(job, tmp_path, monkeypatch):
    one = write(job, tmp_path / "one.parquet")
    assert one.rows == 12 and pq.ParquetFile(tmp_path / "one.parquet").num_row_groups == 1
    assert write(job, tmp_path / "two.parquet").sha256 == one.sha256
    monkeypatch.setattr(shards, "ROWS_AT_ONCE", 5)
    write(job, tmp_path / "by_rows.parquet")
    groups = pq.ParquetFile(tmp_path / "by_rows.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [5, 5, 2]
    monkeypatch.setattr(shards, "BYTES_AT_ONCE", 1)
    write(job, tmp_path / "by_bytes.parquet")
    assert pq.ParquetFile(tmp_path / "by_bytes.parquet").num_row_groups == 12
    by_bytes, whole = (pq.read_table(tmp_path / name).to_pylist() for name in ("by_bytes.parquet", "one.parquet"))
    assert repr(by_bytes) == repr(whole)  # NaN equals no NaN


def test_every_picture_is_decoded_once(job, tmp_path, monkeypatch):
    decoded = []

    def counting(path):
        decoded.append(Path(path).name)
        return load(path)

    load = pictures.load_image
    monkeypatch.setattr(pictures, "load_image", counting)
    write(job, tmp_path / "shard.parquet")
    assert len(decoded) == 12


def test_an_error_half_way_leaves_no_file(job, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "ROWS_AT_ONCE", 2)  # so that there is half a file when it comes
    labels = Path(job.data_dir) / "AUCoding/AU_OCC/F001_T2.csv"
    labels.write_text(labels.read_text() + "99,7\n")
    with pytest.raises(ValueError, match="F001_T2.csv"):
        write(job, tmp_path / "shard.parquet")
    assert not list(tmp_path.glob("shard*"))


def test_a_subject_without_usable_rows_takes_its_old_file_away(job, tmp_path):
    target = tmp_path / "shard.parquet"
    write(job, target)
    for picture in (Path(job.data_dir) / "Sequences_2D+3D/F001").rglob("*.jpg"):
        picture.write_bytes(b"")
    report = write(job, target)
    assert (report.rows, report.bytes, report.sha256) == (0, 0, "") and report.statuses == {"unreadable": 12}
    assert len(report.examples["unreadable"]) == shards.EXAMPLES
    assert not list(tmp_path.glob("shard*"))


def test_splits_that_alternate_do_not_make_a_shard_of_everybody():
    subjects = [f"N_{number:06d}" for number in range(2000)]
    plans = plan_shards(corpus(subjects, lambda s: "train" if int(s[2:]) % 2 else "test"), subjects)
    assert len(plans) == 20 and sorted(s for plan in plans for s in plan.subjects) == subjects
    assert all(len({int(s[2:]) % 2 for s in plan.subjects}) == 1 for plan in plans)
