"""The output folder: whose it is, what counts as finished, what is removed and what never is."""

import os

import pytest

from aullava.dataset_builder.export.folder import FolderError, OutFolder
from aullava.dataset_builder.export.shards import Plan, ShardReport, file_hash

SETTINGS = {"corpus": "bp4d", "pictures": {"faces": "none", "size": None}, "options": {}}
PLAN = Plan("F001", ("F001",))


def finish_shard(folder: OutFolder, fingerprint: str = "as it is now") -> None:
    """A shard and its report, as a worker leaves them."""
    file = folder.shard_file("F001")
    file.write_bytes(b"rows")
    folder.record(ShardReport("F001", ["F001"], fingerprint, 1, 4, file_hash(file)))


def test_a_new_an_empty_and_an_own_folder_are_taken(tmp_path):
    for path in (tmp_path / "a" / "new", tmp_path / "empty"):
        if path.name == "empty":
            path.mkdir()
        for _ in range(2):
            with OutFolder(path, SETTINGS):
                pass


def test_what_is_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match="notes.txt.*no earlier build"):
        OutFolder(tmp_path, SETTINGS).__enter__()
    assert os.listdir(tmp_path) == ["notes.txt"]
    with pytest.raises(FolderError, match="is a file"):
        OutFolder(tmp_path / "notes.txt", SETTINGS).__enter__()


def test_other_settings_are_named_both_ways(tmp_path):
    with OutFolder(tmp_path, SETTINGS):
        pass
    other = SETTINGS | {"pictures": {"faces": "auto", "size": 224}, "options": {"camera": "left"}}
    with pytest.raises(FolderError) as refused:
        OutFolder(tmp_path, other).__enter__()
    for said in ('pictures.faces: there "none", now "auto"', "pictures.size: there null, now 224", 'now "left"'):
        assert said in str(refused.value)


def test_two_builds_at_a_time_are_refused(tmp_path):
    pytest.importorskip("fcntl")
    with OutFolder(tmp_path, SETTINGS), pytest.raises(FolderError, match="another build"):
        OutFolder(tmp_path, SETTINGS).__enter__()
    with OutFolder(tmp_path, SETTINGS):
        pass


def test_a_folder_that_cannot_be_written_to_is_bad_usage(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="cannot be written to"):
        OutFolder(tmp_path / "file" / "rows", SETTINGS).__enter__()


def test_an_edited_card_is_not_overwritten(tmp_path):
    with OutFolder(tmp_path, SETTINGS) as folder:
        folder.finish("# a card\n", {})
        folder.finish("# another card\n", {})
    with OutFolder(tmp_path, SETTINGS):
        pass
    (tmp_path / "README.md").write_text("# another card, with my words\n")
    with pytest.raises(FolderError, match="README.md was edited"):
        OutFolder(tmp_path, SETTINGS).__enter__()
    (tmp_path / "README.md").unlink()
    with OutFolder(tmp_path, SETTINGS):
        pass


def test_finished_is_what_is_as_it_was_written_from_the_same_source(tmp_path):
    with OutFolder(tmp_path, SETTINGS) as folder:
        assert folder.finished(PLAN, "as it is now") is None
        finish_shard(folder)
        assert folder.finished(PLAN, "as it is now").rows == 1
        assert folder.finished(PLAN, "changed") is None
        assert folder.finished(Plan("F001", ("F001", "F002")), "as it is now") is None
        folder.shard_file("F001").write_bytes(b"rowz")
        assert folder.finished(PLAN, "as it is now") is None
        folder.shard_file("F001").unlink()
        assert folder.finished(PLAN, "as it is now") is None
        finish_shard(folder)
        (tmp_path / ".build/shards/F001.json").write_text('{"name": "F001"')
        assert folder.finished(PLAN, "as it is now") is None


def test_beginning_removes_leftovers_and_what_is_not_kept_and_nothing_else(tmp_path):
    with OutFolder(tmp_path, SETTINGS) as folder:
        finish_shard(folder)
        folder.finish("# a card\n", {})
        (tmp_path / "data/F002.parquet").write_bytes(b"old rows")
        (tmp_path / "data/F003.parquet.part").write_bytes(b"half a")
        (tmp_path / ".build/shards/.aullava-x").write_bytes(b"half a report")
        (tmp_path / "notes.txt").write_text("mine")
        assert folder.begin(["F001"], changes=False) == ["F002"]
        assert sorted(os.listdir(tmp_path / "data")) == ["F001.parquet"]
        assert sorted(os.listdir(tmp_path)) == [".build", "data", "notes.txt"]  # card and manifest spoke of F002
        folder.finish("# a card\n", {})
        assert folder.begin(["F001"], changes=False) == []
        assert (tmp_path / "README.md").exists() and (tmp_path / "manifest.json").exists()
        assert folder.begin(["F001"], changes=True) == []
        assert not (tmp_path / "README.md").exists() and not (tmp_path / "manifest.json").exists()
