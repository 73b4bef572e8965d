"""Places inside a corpus's folder: found in any letter case and padding, never outside it."""

import pytest
from PIL import Image

from aullava.dataset_builder.corpora.formats.paths import Root, tree_stamp
from aullava.dataset_builder.errors import LayoutError, UnsafePathError


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16)).save(path)


@pytest.mark.parametrize(
    "hostile", ["../secret", "a/../../secret", "/etc/passwd", "..\\secret", "C:\\x", "a\0b", "\\\\host\\x"]
)
def test_paths_that_leave_the_folder_are_refused(tmp_path, hostile):
    with pytest.raises(UnsafePathError, match="does not stay inside"):
        Root(tmp_path) / hostile


@pytest.mark.parametrize("harmless", ["a.jpg", "a/b.jpg", "a\\b.jpg", "..a/b", "a..b", "./a.jpg", "a b/c'd.jpg"])
def test_their_harmless_neighbours_are_not(tmp_path, harmless):
    assert (Root(tmp_path) / harmless).is_relative_to(tmp_path.resolve())


def test_a_link_out_of_the_folder_is_refused_unless_the_user_says_so(tmp_path):
    outside = tmp_path / "outside"
    picture(outside / "1.png")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "frames").symlink_to(outside)
    (corpus / "2.png").symlink_to(outside / "1.png")
    root = Root(corpus)
    for reach in (
        lambda: root / "frames/1.png",
        lambda: root / "2.png",
        lambda: root.find("frames"),
        lambda: root.numbered_images(root.folder),
        lambda: root.numbered_images(corpus / "frames"),
    ):
        with pytest.raises(UnsafePathError, match="follow_links=True"):
            reach()
    trusting = Root(corpus, follow_links=True)
    assert trusting.find("FRAMES/1.png") == corpus / "frames" / "1.png"
    assert set(trusting.numbered_images(corpus)) == {2}


def test_links_within_the_folder_and_a_linked_folder_itself_are_fine(tmp_path):
    corpus = tmp_path / "corpus"
    picture(corpus / "frames" / "1.png")
    (corpus / "same").symlink_to(corpus / "frames")
    (tmp_path / "alias").symlink_to(corpus)
    assert set(Root(tmp_path / "alias").numbered_images(corpus.resolve() / "same")) == {1}


def test_names_are_found_in_any_letter_case_and_the_exact_one_first(tmp_path):
    for name in ("videos_leftcamera", "Videos_LeftCamera"):
        (tmp_path / name).mkdir()
    (tmp_path / "Videos_LeftCamera" / "LeftVideoSN001_COMP.avi").touch()
    root = Root(tmp_path)
    assert root.find("Videos_LeftCamera").name == "Videos_LeftCamera"
    assert root.find("VIDEOS_LEFTCAMERA/leftvideosn001_comp.avi").name == "LeftVideoSN001_COMP.avi"
    assert root.find("videos_left*/left*sn001*").name == "LeftVideoSN001_COMP.avi"
    assert root.find("nothing", "videos_leftcamera").name == "videos_leftcamera"
    with pytest.raises(LayoutError, match="no AUCoding or Labels in it.*Unpack"):
        root.require("AUCoding", "Labels", advice="Unpack the labels.")


def test_hidden_files_do_not_count(tmp_path):
    (tmp_path / "._F001_T1.csv").touch()
    (tmp_path / ".hidden").mkdir()
    root = Root(tmp_path)
    assert root.files(tmp_path) == [] and root.folders(tmp_path) == [] and root.find("*") is None


def test_pictures_by_number_whatever_the_padding(tmp_path):
    for name in ("7.jpg", "08.jpg", "0010.PNG", "notes.txt", "thumb_3.jpg"):
        picture(tmp_path / name) if name[-3:].lower() in ("jpg", "png") else (tmp_path / name).touch()
    root = Root(tmp_path)
    assert {number: path.name for number, path in root.numbered_images(tmp_path).items()} == {
        7: "7.jpg",
        8: "08.jpg",
        10: "0010.PNG",
    }
    assert list(root.numbered_images(tmp_path, r"thumb_(\d+)")) == [3]
    assert root.numbered_images(tmp_path / "missing") == {}


def test_two_pictures_of_one_number_are_refused(tmp_path):
    picture(tmp_path / "007.jpg")
    picture(tmp_path / "0007.jpg")
    with pytest.raises(LayoutError, match="0007.jpg and 007.jpg are both image 7"):
        Root(tmp_path).numbered_images(tmp_path)


def test_natural_order(tmp_path):
    for name in ("T10", "T2", "T1"):
        (tmp_path / name).mkdir()
    assert [path.name for path in Root(tmp_path).folders(tmp_path, "t*")] == ["T1", "T2", "T10"]


def test_stamps_change_with_the_tree(tmp_path):
    picture(tmp_path / "a" / "1.png")
    before = list(tree_stamp([tmp_path / "a"]))
    assert before == list(tree_stamp([tmp_path / "a"])) != []
    picture(tmp_path / "a" / "b" / "2.png")
    assert len(list(tree_stamp([tmp_path / "a"]))) == 2
    (tmp_path / "a" / "3.png").symlink_to(tmp_path / "nowhere")
    assert len(list(tree_stamp([tmp_path / "a", tmp_path / "gone"]))) == 3


def test_what_a_mac_packs_beside_the_files_does_not_count(tmp_path):
    for folder in ("data", "__MACOSX/data"):
        (tmp_path / folder).mkdir(parents=True)
    root = Root(tmp_path)
    assert [place.name for place in root.folders(root.folder)] == ["data"]


def test_stamps_look_through_links_to_folders_and_not_in_circles(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "link").symlink_to(tmp_path / "far")
    (tmp_path / "near" / "circle").symlink_to(tmp_path / "near")
    before = list(tree_stamp([tmp_path / "near"]))
    (tmp_path / "far" / "1.jpg").write_bytes(b"1")
    after = list(tree_stamp([tmp_path / "near"]))
    assert len(after) == 1 and not before


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "\u00e4" * 150, "a/" + "b" * 256])
def test_a_name_that_no_disk_can_hold_is_refused_and_not_tried(tmp_path, name):
    with pytest.raises(UnsafePathError, match="at most 255 bytes"):
        Root(tmp_path) / name
