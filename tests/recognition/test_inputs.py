"""Which files a command reads, in which order, and what it says about the rest."""

from pathlib import Path

import pytest

from aullava.recognition.inputs import collect


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
    assert "no such file" in str(inputs.failures[0]) and str(tmp_path / "gone.png") in str(inputs.failures[0])
