"""Files and folders appear whole or not at all; names are printed, sorted and given out once."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aullava.common.files import FileNames, natural_key, printable, replace_file, replaced_folder


def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    replace_file(tmp_path / "deep/new.txt", lambda path: path.write_text("new"))
    (tmp_path / "other.txt").write_text("other")
    assert (tmp_path / "deep/new.txt").read_text() == "new"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep/new.txt", tmp_path / "other.txt")}
    assert len(modes) == 1


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("old")

    def write(path: Path) -> None:
        path.write_text("half")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        replace_file(tmp_path / "file", write)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    def write(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device") as failure:
        replace_file(tmp_path / "file", write)
    assert failure.value.filename == str(tmp_path / "file")


def test_a_durable_file_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append((tmp_path / "file").exists()), fsync(handle)))
    replace_file(tmp_path / "file", lambda path: path.write_text("kept"))
    assert synced == []
    (tmp_path / "file").unlink()
    replace_file(tmp_path / "file", lambda path: path.write_text("kept"), durable=True)
    assert synced == [False]


def test_a_folder_takes_the_place_of_the_old_one_with_all_that_it_held(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")
    with replaced_folder(tmp_path / "out") as new:
        assert (tmp_path / "out/old.txt").exists() and not list(new.iterdir())
        (new / "new.txt").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/new.txt"]


def test_a_folder_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")
    with pytest.raises(ValueError, match="half way"), replaced_folder(tmp_path / "out") as new:
        (new / "new.txt").write_text("new")
        raise ValueError("half way")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/old.txt"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_be_renamed(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")
    replace = os.replace

    def refuse(source, target):
        if Path(source).name == "new":
            raise PermissionError(13, "refused")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError), replaced_folder(tmp_path / "out") as new:
        (new / "new.txt").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/old.txt"]


def test_names_are_printed_without_control_characters():
    assert printable("a\nb\x1b[0m\udce9ü") == "a\\nb\\x1b[0m\\udce9ü"


def test_numbers_in_names_are_sorted_as_numbers():
    names = ["face10.png", "face2.png", "Face1.png", "1", "01"]
    assert sorted(names, key=lambda name: natural_key(Path(name))) == [
        "01",
        "1",
        "Face1.png",
        "face2.png",
        "face10.png",
    ]


def stems(*sources: str) -> list[str]:
    names = FileNames()
    return [names.stem(source) for source in sources]


@pytest.mark.parametrize(
    "sources, expected",
    [
        (["a/clip.mp4", "b/clip.mp4", "clip.avi"], ["clip", "clip-2", "clip-3"]),
        (["clip-2.mp4", "a/clip.mp4", "b/clip.mp4"], ["clip-2", "clip", "clip-3"]),
        (["Clip.mp4", "clip.mp4"], ["Clip", "clip-2"]),
        (["webcam:0", "webcam:1"], ["webcam-0", "webcam-1"]),
        (["a.b.mp4", ".hidden", "no ending"], ["a.b", ".hidden", "no ending"]),
    ],
)
def test_inputs_give_their_names_once(sources, expected):
    assert stems(*sources) == expected


def test_a_long_name_leaves_room_for_an_ending_and_is_cut_between_characters():
    long = "é" * 127
    first, second = stems(f"a/{long}.png", f"b/{long}.png")
    assert long.startswith(first) and second == f"{first}-2"
    assert 200 < len(os.fsencode(second)) <= 255 - len("_face12.parquet")


@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=6), max_size=12))
def test_no_two_inputs_share_a_name_and_the_order_decides(sources):
    found = stems(*sources)
    assert len({name.lower() for name in found}) == len(found)
    assert found == stems(*sources)
    assert all(name and "/" not in name for name in found)
