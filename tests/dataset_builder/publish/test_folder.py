"""The output folder: whose it is, what counts as finished, what is removed and what never is."""

import json
import os

import pytest
from filelock import FileLock

from aullava.common.hashing import file_hash
from aullava.dataset_builder.publish.folder import FolderError, OutFolder
from aullava.dataset_builder.publish.shards import Plan, ShardReport
from aullava.dataset_builder.rows.census import Census

SETTINGS = {"corpus": "bp4d", "pictures": {"faces": "none", "size": None}, "options": {}}
PLAN = Plan("F001", ("F001",))


def finish_shard(folder: OutFolder, fingerprint: str = "as it is now") -> None:
    """A shard and its report, as a worker leaves them."""
    file = folder.shard_file("F001")
    file.write_bytes(b"rows")
    folder.record(ShardReport("F001", ["F001"], fingerprint, 1, 4, file_hash(file), census=Census().to_dict()))


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
        folder.record(ShardReport("F002", ["F002"], "as it was", 1, 8, ""))
        (tmp_path / "data/F003.parquet.part").write_bytes(b"half a")
        (tmp_path / ".build/shards/.aullava-x").write_bytes(b"half a report")
        (tmp_path / "notes.txt").write_text("mine")
        assert folder.begin(["F001"], ["F001"]) == ["F002"]
        assert sorted(os.listdir(tmp_path / "data")) == ["F001.parquet"]
        assert sorted(os.listdir(tmp_path)) == [".build", "data", "notes.txt"]  # card and manifest spoke of F002
        folder.finish("# a card\n", {})
        assert folder.begin(["F001"], ["F001"]) == []
        assert (tmp_path / "README.md").exists() and (tmp_path / "manifest.json").exists()
        assert folder.begin(["F001"], ["F001", "F003"]) == []
        assert not (tmp_path / "README.md").exists() and not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize("inside", ["data/mine.parquet", "data/notes.txt", ".build/mine.txt"])
def test_a_folder_of_somebodys_data_is_no_earlier_build(tmp_path, inside):
    (tmp_path / "data").mkdir()
    (tmp_path / ".build").mkdir()
    (tmp_path / inside).write_text("mine")
    with pytest.raises(FolderError, match="no earlier build"):
        OutFolder(tmp_path, SETTINGS).__enter__()
    assert (tmp_path / inside).read_text() == "mine"


def test_what_a_build_leaves_that_ends_before_its_settings_is_taken(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / ".build/shards").mkdir(parents=True)
    (tmp_path / ".build/lock").touch()
    (tmp_path / ".build/.aullava-x").write_text("{")
    with OutFolder(tmp_path, SETTINGS):
        pass


def test_somebodys_parquet_file_among_the_shards_is_named_and_stays(tmp_path):
    with OutFolder(tmp_path, SETTINGS) as folder:
        finish_shard(folder)
        folder.finish("# a card\n", {})
        (tmp_path / "data/mine.parquet").write_bytes(b"mine")
        (tmp_path / "data/folder.parquet").mkdir()
        with pytest.raises(FolderError, match="folder.parquet, mine.parquet, which no build wrote"):
            folder.begin([], ["F001"])
        assert sorted(os.listdir(tmp_path / "data")) == ["F001.parquet", "folder.parquet", "mine.parquet"]
        assert (tmp_path / "README.md").exists()


@pytest.mark.parametrize("text", ["[1]", '"x"', "{"])
def test_damaged_settings_are_told(tmp_path, text):
    with OutFolder(tmp_path, SETTINGS):
        pass
    (tmp_path / ".build/settings.json").write_text(text)
    with pytest.raises(FolderError, match="settings.json is damaged"):
        OutFolder(tmp_path, SETTINGS).__enter__()


def test_settings_that_another_build_wrote_meanwhile_are_seen(tmp_path, monkeypatch):
    """Between the first look and the lock another build may begin and end."""
    real = FileLock.acquire

    def late(lock):
        monkeypatch.setattr(FileLock, "acquire", real)
        with OutFolder(tmp_path, SETTINGS | {"corpus": "disfa"}):
            pass
        return real(lock)

    monkeypatch.setattr(FileLock, "acquire", late)
    with pytest.raises(FolderError, match="other settings"):
        OutFolder(tmp_path, SETTINGS).__enter__()
    with OutFolder(tmp_path, SETTINGS | {"corpus": "disfa"}):
        pass  # the lock was given back


@pytest.mark.parametrize("broken", [{"census": {}}, {"census": []}, {"statuses": None, "census": None}, {"more": 1}])
def test_a_report_of_another_shape_counts_as_unfinished(tmp_path, broken):
    with OutFolder(tmp_path, SETTINGS) as folder:
        finish_shard(folder)
        file = tmp_path / ".build/shards/F001.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | broken))
        assert folder.finished(PLAN, "as it is now") is None
