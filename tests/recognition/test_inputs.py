"""Which files a command reads, in which order, and what it says about the rest."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from aullava.common.files import printable
from aullava.recognition.inputs import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Failure, Source, collect

from trees.videos import write_video


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
    touch(*(f"face.{ending}" for ending in endings), "page.pdf", "page.eps", "song.mp3")
    inputs = collect([tmp_path])
    assert {path.suffix[1:] for path in inputs.files} == set(endings) and inputs.skipped == 3
    assert {".pdf", ".eps", ".svg", ".mp4"}.isdisjoint(IMAGE_SUFFIXES)
    assert {source.kind for source in inputs.sources} == {"image"}


def test_folders_are_searched_for_videos(tmp_path, touch):
    endings = ["mp4", "avi", "mov", "mkv", "webm", "m4v", "mpg", "mpeg", "wmv", "flv", "3gp", "mts"]
    touch(*(f"film.{ending}" for ending in endings), "film.AVI", "code.ts", "sound.m4a", "film.srt")
    inputs = collect([tmp_path])
    assert {source.path.suffix[1:] for source in inputs.sources} == {*endings, "AVI"} and inputs.skipped == 3
    assert {source.kind for source in inputs.sources} == {"video"} and not VIDEO_SUFFIXES & IMAGE_SUFFIXES


def kinds(inputs) -> dict[str, str]:
    return {source.path.name: source.kind for source in inputs.sources}


def test_a_named_file_is_told_by_what_it_holds(tmp_path, touch):
    write_video(tmp_path / "film.mkv", 3).rename(tmp_path / "film.dat")
    write_video(tmp_path / "film.avi", 3).rename(tmp_path / "film.jpg")
    for name in ("face.mp4", "face.dat", "face.txt"):
        Image.new("RGB", (20, 20)).save(tmp_path / name, "PNG")
    touch("empty.dat", "empty.mp4")
    expected = {
        "film.dat": "video",
        "film.jpg": "video",
        "face.mp4": "image",
        "face.dat": "image",
        "face.txt": "image",
    }
    expected |= {"empty.dat": "image", "empty.mp4": "video"}  # nothing can be told: whoever reads them says so
    inputs = collect([tmp_path / name for name in expected])
    assert kinds(inputs) == expected and not inputs.failures


def test_a_picture_in_the_container_of_films_is_none(tmp_path):
    """What telephones call HEIC: its streams are tiles, and none of them is the picture."""
    path = write_video(tmp_path / "a.mp4", 3, codec="libx264")
    assert kinds(collect([path.rename(tmp_path / "a.dat")])) == {"a.dat": "video"}
    data = (tmp_path / "a.dat").read_bytes()
    (tmp_path / "b.heic").write_bytes(data.replace(b"ftypisom", b"ftypheic"))
    assert kinds(collect([tmp_path / "b.heic"])) == {"b.heic": "image"}


def test_webcams_are_named_by_number(touch, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    inputs = collect(["webcam:0", "webcam:12", "webcam:0", "webcam:front", "webcam:"])
    assert inputs.sources == (Source(Path("webcam:0"), "webcam"), Source(Path("webcam:12"), "webcam"))
    assert [source.name for source in inputs.sources] == ["webcam:0", "webcam:12"]
    assert inputs.repeated == 1 and set(reasons(inputs)) == {"webcam:front", "webcam:"} and inputs.files == ()


def test_patterns_select_names_in_folders(tmp_path, touch):
    touch("a/s1_left.mp4", "a/s1_right.mp4", "S2_LEFT.MP4", "left.png", "notes_left.txt", "other.png")
    inputs = collect([tmp_path, tmp_path / "other.png"], ["*_left.mp4", "left.*"])
    assert names(inputs, tmp_path) == ["a/s1_left.mp4", "left.png", "S2_LEFT.MP4", "other.png"]
    assert inputs.skipped == 3
    none = collect([tmp_path], ["*.gif"])
    assert none.skipped == 6 and "searched for *.gif" in reasons(none)[str(tmp_path)]
    with pytest.raises(ValueError, match=r"'a/\*.mp4' holds '/'"):
        collect([tmp_path], ["a/*.mp4"])


def test_a_list_names_paths_relative_to_its_folder(tmp_path, touch, monkeypatch):
    touch("in/a b.png", "in/c\udce9.png", "in/d/e2.png", "in/d/e1.mp4", "f.png", "in/#g.png")
    lines = [
        b"a b.png",
        b"",
        b"# comment",
        b"  ",
        b"c\xe9.png\r",
        b"d",
        os.fsencode(tmp_path / "f.png"),
        b"./#g.png",
        b"webcam:1",
    ]
    (tmp_path / "in" / "list.TXT").write_bytes(b"\xef\xbb\xbf" + b"\n".join([*lines, b"a b.png"]))
    monkeypatch.chdir(tmp_path)
    inputs = collect(["in/list.TXT"])
    found = [
        "in/a b.png",
        "in/c\udce9.png",
        "in/d/e1.mp4",
        "in/d/e2.png",
        str(tmp_path / "f.png"),
        "in/#g.png",
        "webcam:1",
    ]
    assert [source.name for source in inputs.sources] == found
    assert [source.kind for source in inputs.sources] == ["image", "image", "video", *["image"] * 3, "webcam"]
    assert (inputs.failures, inputs.repeated) == ((), 1)


def test_bad_lines_of_a_list_are_named_with_their_number(tmp_path, touch, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("a.png", "empty/notes.md", "other.txt")
    Path("list.txt").write_text("# faces\ngone.png\na.png\nother.txt\nempty\n")
    inputs = collect(["list.txt"])
    assert names(inputs, Path()) == ["a.png"]
    places = {path: reason.rpartition(" (")[2] for path, reason in reasons(inputs).items()}
    lines = {"gone.png": 2, "other.txt": 4, "empty": 5}
    assert places == {path: f"line {line} of list.txt)" for path, line in lines.items()}
    assert "not followed" in reasons(inputs)["other.txt"]


@pytest.mark.parametrize(
    "content,expected", [(b"", "holds none"), (b"# none\n\n", "holds none"), (b"a\0b\n", "bytes that are no text")]
)
def test_a_list_without_paths_is_named(tmp_path, content, expected):
    (tmp_path / "list.txt").write_bytes(content)
    [failure] = collect([tmp_path / "list.txt"]).failures
    assert failure.path.name == "list.txt" and expected in failure.reason


def test_without_pyav_videos_are_named_and_pictures_read(tmp_path, touch, monkeypatch):
    touch("a.png", "film.mp4", "unknown.dat")
    monkeypatch.setitem(sys.modules, "av", None)
    inputs = collect([tmp_path, tmp_path / "unknown.dat", tmp_path / "film.mp4"])
    assert names(inputs, tmp_path) == ["a.png", "unknown.dat"]
    assert reasons(inputs) == {str(tmp_path / "film.mp4"): "videos need PyAV: pip install 'au-llava[video]'"}


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
