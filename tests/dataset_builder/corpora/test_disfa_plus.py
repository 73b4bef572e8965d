"""DISFA+: images named in the label files, two kinds of images, trials as sequences."""

import pytest
from PIL import Image

from aullava.action_units import INTENSITY
from aullava.dataset_builder.corpora.disfa_plus import DisfaPlusReader
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError, UnsafePathError

from trees.disfa_plus import SUBJECTS, TRIALS, UNITS, level, make, shade


def labels_of(folder, unit=1, subject="SN001", trial=TRIALS[0]):
    return folder / "Labels" / subject / trial / f"AU{unit}.txt"


@pytest.mark.parametrize("images,width", [("images", 32), ("aligned", 16)])
def test_every_picture_is_the_one_named(tmp_path, images, width):
    reader = DisfaPlusReader(make(tmp_path), images=images)
    assert reader.subjects() == tuple(sorted(SUBJECTS))
    records = list(reader.read("SN003"))
    assert [(r.sequence, r.frame) for r in records] == [(trial, frame) for trial in TRIALS for frame in range(4)]
    for record in records:
        with Image.open(record.image.path) as picture:
            assert picture.width == width
            assert abs(picture.getpixel((3, 3))[0] - shade(record.frame)) < 5
        assert record.values == {INTENSITY: {f"AU{n}": level(n, record.frame) for n in UNITS}}


def test_trials_in_natural_order(tmp_path):
    make(tmp_path, subjects=("SN001",), trials=("T10", "T9"), frames=1)
    assert [record.sequence for record in DisfaPlusReader(tmp_path).read("SN001")] == ["T9", "T10"]


def test_label_text_with_bom_tabs_and_without_header(tmp_path):
    make(tmp_path, subjects=("SN001",), trials=TRIALS[:1])
    labels_of(tmp_path).write_bytes(b"\xef\xbb\xbf# a\r\n#b\r\n\r\n 002.jpg \t 5 \r\n000.JPG\t1\r\n")
    labels_of(tmp_path, unit=2).write_text("000.jpg      3\n")
    records = {record.frame: record.values[INTENSITY] for record in DisfaPlusReader(tmp_path).read("SN001")}
    assert (records[2]["AU1"], records[0]["AU1"], records[0]["AU2"]) == (5, 1, 3)
    assert "AU1" not in records[1] and "AU2" not in records[3]


def test_any_letter_case_padding_and_suffix(tmp_path):
    make(tmp_path, subjects=("SN001",), trials=TRIALS[:1])
    place = tmp_path / "Images/SN001" / TRIALS[0]
    for path in list(place.iterdir()):
        path.rename(place / f"0{path.stem}.JPG")
    place.rename(place.with_name(place.name.upper()))
    (tmp_path / "Images/SN001").rename(tmp_path / "Images/sn001")
    (tmp_path / "Images").rename(tmp_path / "IMAGES")
    for path in list((tmp_path / "Labels/SN001" / TRIALS[0]).iterdir()):
        path.rename(path.with_name(path.name.lower()))
    (tmp_path / "Labels").rename(tmp_path / "labels")
    records = list(DisfaPlusReader(tmp_path).read("SN001"))
    assert [record.image.path.name for record in records] == ["0000.JPG", "0001.JPG", "0002.JPG", "0003.JPG"]
    assert len(records[0].values[INTENSITY]) == 12


def test_the_frame_is_the_last_number_of_the_name(tmp_path):
    make(tmp_path, subjects=("SN001",), trials=TRIALS[:1], frames=0, pictures=("Images",))
    for number in UNITS:
        labels_of(tmp_path, unit=number).write_text("# x\n# y\nSN001 trial2_0017.jpg   2\n")
    place = tmp_path / "Images/SN001" / TRIALS[0]
    Image.new("RGB", (16, 16)).save(place / "SN001 trial2_0017.jpg")
    (record,) = DisfaPlusReader(tmp_path).read("SN001")
    assert (record.frame, record.image.path.name) == (17, "SN001 trial2_0017.jpg")


@pytest.mark.parametrize("name", ["../../../secret0.jpg", "/etc/secret0.jpg", "..\\0.jpg", "C:\\0.jpg"])
def test_hostile_names_are_refused(tmp_path, name):
    make(tmp_path, subjects=("SN001",))
    labels_of(tmp_path).write_text(f"# x\n# y\n{name}   2\n")
    with pytest.raises(UnsafePathError, match="does not stay inside"):
        list(DisfaPlusReader(tmp_path).read("SN001"))


@pytest.mark.parametrize(
    "rows,problem",
    [
        ("000.jpg 0\n001.jpg 6\n", r"AU1.txt, line 4: found '6'; expected a whole number from 0 to 5"),
        ("000.jpg 0\n0.jpg 1\n", r"line 4: found frame 0 a second time"),
        ("000.jpg\n", r"line 3: found '000.jpg'; expected a row such as"),
        ("face.jpg 1\n", r"line 3: found 'face.jpg 1'"),
        ("000 1\n", r"line 3: found '000 1'"),
        ("000.jpg x\n", r"line 3: found 'x'"),
        ("", r"AU1.txt: found no rows"),
    ],
)
def test_broken_labels_are_refused_by_file_and_line(tmp_path, rows, problem):
    make(tmp_path, subjects=("SN001",))
    labels_of(tmp_path).write_text("# x\n# y\n" + rows)
    with pytest.raises(LabelError, match=problem):
        list(DisfaPlusReader(tmp_path).read("SN001"))


def test_missing_pictures_are_named_and_the_others_offered(tmp_path):
    make(tmp_path, pictures=("Aligned",))
    with pytest.raises(LayoutError, match="no Images in it.* pass images='aligned'"):
        DisfaPlusReader(tmp_path)
    with pytest.raises(CorpusError, match="images is 'crops': expected images or aligned"):
        DisfaPlusReader(tmp_path, images="crops")


def test_the_choice_of_images_and_whom_it_shows_are_told(tmp_path):
    reader = DisfaPlusReader(make(tmp_path), images="aligned")
    assert "Aligned" in reader.notes[0] and "also in DISFA" in reader.notes[1]
