"""Which files a command reads, in which order, and what it says about the rest."""

import os
from pathlib import Path

import pytest

from aullava.media.files import printable
from aullava.recognition.inputs import IMAGE_SUFFIXES, Failure, collect


@pytest.fixture
def touch(tmp_path):
    """Make empty files: what a file holds is not looked at here."""

    def make(*names: str) -> list[Path]:
        paths = [tmp_path / name for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return paths

    return make


@pytest.fixture
def shut(tmp_path, monkeypatch):
    """Set the mode of folders of `tmp_path`, the current folder, and give up root's right to enter them all the same."""
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # the folders around it may be root's alone
    user, folders = os.geteuid(), []

    def change(mode: int, *names: str) -> None:
        folders.extend(map(Path, names))
        for folder in folders:
            folder.chmod(mode)
        if user == 0:
            os.seteuid(65534)

    yield change
    os.seteuid(user)
    for folder in folders:
        folder.chmod(0o755)  # or pytest cannot clear up


def reasons(inputs) -> dict[str, str]:
    return {str(failure.path): failure.reason for failure in inputs.failures}


def names(inputs, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in inputs.files]


def test_folder_is_searched_recursively_in_natural_order(tmp_path, touch):
    touch("face10.png", "face2.JPG", "face1.webp", "b/face3.tif", "a/x.bmp")
    assert names(collect([tmp_path]), tmp_path) == ["a/x.bmp", "b/face3.tif", "face1.webp", "face2.JPG", "face10.png"]


def test_other_files_are_counted_and_hidden_ones_left_alone(tmp_path, touch):
    touch("face.png", "notes.txt", "labels.csv", ".DS_Store", "._face.png", ".cache/face.png")
    inputs = collect([tmp_path])
    assert names(inputs, tmp_path) == ["face.png"]
    assert inputs.skipped == 2


def test_named_file_is_read_whatever_it_is_called(touch):
    (path,) = touch("face.dat")
    assert collect([path]).files == (path,)


def test_named_files_keep_their_order_and_are_read_once(tmp_path, touch):
    b, a = touch("b.png", "a.png")
    assert collect([b, a, tmp_path, b]).files == (b, a)


def test_missing_input_and_folder_without_image_are_named(tmp_path, touch):
    (face,) = touch("face.png")
    (tmp_path / "empty").mkdir()
    inputs = collect([tmp_path / "gone.png", face, tmp_path / "empty"])
    assert inputs.files == (face,)
    assert [failure.path.name for failure in inputs.failures] == ["gone.png", "empty"]
    assert "No such file" in str(inputs.failures[0]) and str(tmp_path / "gone.png") in str(inputs.failures[0])


def test_folders_are_searched_for_every_format_that_is_read(tmp_path, touch):
    common = ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "tif", "tiff"]
    endings = [*common, "avif", "jp2", "j2k", "pbm", "pgm", "ppm", "pnm"]
    touch(*(f"face.{ending}" for ending in endings), "page.pdf", "page.eps", "film.mp4")
    inputs = collect([tmp_path])
    assert {path.suffix[1:] for path in inputs.files} == set(endings) and inputs.skipped == 3
    assert {".pdf", ".eps", ".svg", ".mp4"}.isdisjoint(IMAGE_SUFFIXES)


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_without_permission_is_named_and_the_rest_is_read(mode, touch, shut):
    touch("a/face.png", "b/shut/face.png", "b/face.png")
    shut(mode, "a", "b/shut")
    inputs = collect(["a", "b"])
    assert names(inputs, Path()) == ["b/face.png"]
    expected = {"a/face.png", "b/shut/face.png"} if mode == 0o444 else {"a", "b/shut"}
    assert reasons(inputs) == dict.fromkeys(expected, "Permission denied")
    if mode != 0o111:  # may be entered, not listed
        assert reasons(collect(["a/face.png", "b/face.png"])) == {"a/face.png": "Permission denied"}


def test_image_names_that_are_no_file_are_named(tmp_path, touch):
    touch("face.png", "elsewhere/face.png")
    (tmp_path / "broken.png").symlink_to("gone.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "album").mkdir()
    os.mkfifo(tmp_path / "album" / "pipe.png")
    (tmp_path / "album" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "broken.txt").symlink_to("gone.txt")
    inputs = collect([tmp_path])
    assert names(inputs, tmp_path) == ["elsewhere/face.png", "face.png"]
    found = {str(Path(path).relative_to(tmp_path)): reason for path, reason in reasons(inputs).items()}
    assert set(found) == {"broken.png", "loop.png", "album/pipe.png", "album/linked"}
    assert "not a regular file" in found["album/pipe.png"] and "not followed" in found["album/linked"]
    assert inputs.skipped == 1


def test_further_names_of_a_file_are_counted(tmp_path, touch):
    touch("a.png")
    (tmp_path / "dup.png").symlink_to("a.png")
    inputs = collect([tmp_path, tmp_path / "a.png"])
    assert names(inputs, tmp_path) == ["a.png"]
    assert (inputs.repeated, inputs.failures) == (2, ())


def test_a_name_that_no_system_takes_ends_nothing(tmp_path, touch):
    (face,) = touch("face.png")
    inputs = collect(["x" * 5000, face])
    assert inputs.files == (face,) and [len(path) for path in reasons(inputs)] == [5000]


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="''"):
        collect([""])


def test_a_failure_names_its_file_once():
    assert str(Failure(Path("a.png"), "a.png: empty")) == "a.png: empty"
    assert str(Failure(Path("a.png"), "like data.png: empty")) == "a.png: like data.png: empty"


def test_what_a_terminal_would_act_on_is_escaped():
    assert printable("caf\udce9 \x1b[31m\nrot.png") == r"caf\udce9 \x1b[31m\nrot.png"
    assert printable("Café 顔.png") == "Café 顔.png"
    assert str(Failure(Path("a\x1b.png"), "bad\rgood")) == r"a\x1b.png: bad\rgood"
