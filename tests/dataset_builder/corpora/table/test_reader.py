"""A user's own table: columns under any of their names, cells not coded, rows in any order, OpenFace's files."""

import math
import os
import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aullava.dataset_builder.corpora.table import files as table_files
from aullava.dataset_builder.corpora.table.reader import TableReader
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError, UnsafePathError
from aullava.dataset_builder.rows.records import ImageFile, VideoFrame

from trees.table import FRAMES, SUBJECTS, make

OPENFACE = "frame, face_id, timestamp, confidence, success, gaze_0_x, AU01_r, AU45_r, AU01_c, AU28_c\n"


def write(folder, text, name="labels.csv", encoding="utf-8"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def everything(reader):
    return [record for subject in reader.subjects() for record in reader.read(subject)]


def value(cell, column="AU12_r", folder=None, **options):
    """What the reader makes of one cell."""
    path = write(folder, f"image,{column}\na.png,{cell}\n")
    [record] = everything(TableReader(path, **options))
    [(scale, values)] = record.values.items()
    return scale, *values.items()


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_the_tree_reads_the_same_from_every_kind_of_file(tmp_path, kind):
    reader = TableReader(make(tmp_path, kind=kind), groups="sex")
    assert reader.subjects() == SUBJECTS and reader.people_known and reader.notes == ()
    assert reader.units == {"occurrence": ("AU1", "AU12", "AU25"), "intensity": ("AU1", "AU12")}
    records = everything(reader)
    assert len(records) == FRAMES * len(SUBJECTS)
    assert all(isinstance(r.image, ImageFile) and r.image.path.is_file() for r in records)
    third = records[2]
    assert (third.subject, third.sequence, third.frame, third.groups) == ("P1", "talk", 3, {"sex": "F"})
    assert third.values["occurrence"]["AU12"] == 1 and third.values["intensity"]["AU1"] == 3
    assert math.isnan(third.values["intensity"]["AU12"]) and math.isnan(third.values["occurrence"]["AU25"])
    assert list(reader.label_files("P1")) == [tmp_path / f"labels.{kind}"]
    assert len(list(reader.image_places("P1"))) == FRAMES
    again = pickle.loads(pickle.dumps(reader))
    assert len(everything(again)) == len(records)


@pytest.mark.parametrize(
    ("column", "scale", "code"),
    [
        ("AU01_r", "intensity", "AU1"),
        ("AU1_r", "intensity", "AU1"),
        (" AU01_c ", "occurrence", "AU1"),
        ("au12", "occurrence", "AU12"),
        ('"AU 12 "', "occurrence", "AU12"),
        ("AU_12", "occurrence", "AU12"),
        ("AU12_v", "continuous", "AU12"),
        ("AD30_C", "occurrence", "AD30"),
        ("AU30_c", "occurrence", "AD30"),
        ("feafa_01_left_eye_close", "continuous", "feafa_01_left_eye_close"),
        ("feafa_24_nose_wrinkle_v", "continuous", "feafa_24_nose_wrinkle"),
    ],
)
def test_spellings_of_a_unit(tmp_path, column, scale, code):
    assert value("1", column, tmp_path) == (scale, (code, 1.0))


@pytest.mark.parametrize(
    "cell", ["", " ", "NaN", "nan", "null", "NULL", "?", "-1", "-1.0", "9", "9.0", "999", "None", "n/a"]
)
@pytest.mark.parametrize("column", ["AU12_c", "AU12_r", "AU12_v"])
def test_codes_for_not_coded_are_nan_and_never_0(tmp_path, column, cell):
    assert math.isnan(value(cell, column, tmp_path)[1][1])


def test_a_bare_column_has_the_scale_that_the_user_names(tmp_path):
    assert value("2.5", "AU12", tmp_path, scale="intensity") == ("intensity", ("AU12", 2.5))
    assert value("0.25", "AU12", tmp_path, scale="continuous") == ("continuous", ("AU12", 0.25))
    with pytest.raises(LabelError, match=r"line 2: found '3' in column 'AU12' \(occurrence\).*scale='intensity'"):
        value("3", "AU12", tmp_path)


@pytest.mark.parametrize(
    ("column", "cell"), [("AU1_c", "2"), ("AU1_c", "0.5"), ("AU1_r", "5.1"), ("AU1_r", "-2"), ("AU1_v", "x")]
)
def test_a_value_outside_its_scale_is_refused_with_its_place(tmp_path, column, cell):
    with pytest.raises(LabelError, match=rf"labels.csv, line 2: found '{cell}' in column '{column}'") as caught:
        value(cell, column, tmp_path)
    assert "scale=" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("image,AU1_r,AU01_r", r"AU1 \(intensity\) in two columns, 'AU1_r' and 'AU01_r'"),
        ("image,AU12,AU12_c", "AU12 .occurrence. in two columns"),
        ("image,image,AU1_c", "column 'image' 2 times"),
        ("image,AU99_c", "'AU99_c'"),
        ("image,feafa_25_tail_wag", "FEAFA"),
        ("image,feafa_01_left_eye_close_r", "FEAFA"),
    ],
)
def test_columns_that_contradict_each_other_or_the_table_of_units(tmp_path, header, message):
    with pytest.raises(LabelError, match=message):
        TableReader(write(tmp_path, f"{header}\n"))


def test_missing_columns_are_named(tmp_path):
    with pytest.raises(LayoutError, match="no action unit among its columns 'image', 'smile'.*AU01_c"):
        TableReader(write(tmp_path, "image,smile\na.png,1\n"))
    with pytest.raises(LayoutError, match="no image column among 'photo', 'AU1_c'"):
        TableReader(write(tmp_path, "photo,AU1_c\na.png,1\n"))
    with pytest.raises(LayoutError, match="no subject column 'who'"):
        TableReader(write(tmp_path, "image,AU1_c\na.png,1\n"), subject_column="who")
    with pytest.raises(LayoutError, match="no group column 'age'"):
        TableReader(write(tmp_path, "image,AU1_c\na.png,1\n"), groups=["age"])
    path = write(tmp_path, "photo,who,AU1_c\na.png,me,1\n")
    assert TableReader(path, image_column="Photo", subject_column="who").subjects() == ("me",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_files_as_they_come(tmp_path, encoding, delimiter, end):
    rows = [
        ["Image", " Subject", "AU1_c "],
        ["ä.png", "Jürgen", " 1"],
        [""],
        ['"b, 1.png"', "Zoë", "0"],
        ["c.png", "Jürgen", "0 "],
    ]
    text = "".join(delimiter.join(row) + end for row in rows)
    reader = TableReader(write(tmp_path, text, encoding=encoding))
    assert reader.subjects() == ("Jürgen", "Zoë")
    assert [r.values["occurrence"]["AU1"] for r in everything(reader)] == [1, 0, 0]
    broken = write(tmp_path, text + delimiter.join(["d.png", "Jürgen", "7"]), encoding=encoding)
    with pytest.raises(LabelError, match="line 6"):
        everything(TableReader(broken))


def test_rows_cut_off_or_too_long_are_refused(tmp_path):
    for row in ("a.png,S1", "a.png,S1,1,1"):
        with pytest.raises(LabelError, match="line 2.*3, one for each column"):
            TableReader(write(tmp_path, f"image,subject,AU1_c\n{row}\n")).subjects()
    assert TableReader(write(tmp_path, "image,subject,AU1_c\na.png,S1,1,,\n")).subjects() == ("S1",)


def mixed_rows(seed=0):
    """Rows of subjects that take turns, in no order, with a line break inside a quoted cell."""
    rows = [(f"S{s}", q, f) for s in range(4) for q in ("v2", "v10") for f in range(1, 6)]
    order = np.random.default_rng(seed).permutation(len(rows))
    lines = [f'"{q}/{f}.png",{s},{q},{f},{f % 2},"a\nb"' for s, q, f in (rows[i] for i in order)]
    return "image,subject,video,frame,AU1_c,remark\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_in_any_order_come_sorted(tmp_path, kind, monkeypatch):
    path = write(tmp_path, mixed_rows())
    if kind == "parquet":
        monkeypatch.setattr(table_files, "_ROWS_CACHED", 10)
        pd.read_csv(path).to_parquet(tmp_path / "labels.parquet", row_group_size=7)
        path = tmp_path / "labels.parquet"
    reader = TableReader(path)
    assert set(reader.subjects()) == {"S0", "S1", "S2", "S3"}
    for subject in reader.subjects():
        records = list(reader.read(subject))
        assert [(r.sequence, r.frame) for r in records] == [(q, f) for q in ("v2", "v10") for f in range(1, 6)]
        assert all(r.values["occurrence"]["AU1"] == r.frame % 2 and r.subject == subject for r in records)


def test_a_subject_is_read_without_parsing_the_others(tmp_path, monkeypatch):
    text = "image,subject,AU1_c\n" + "".join(f"{i}.png,S{i // 10},{i % 2}\n" for i in range(300))
    reader = TableReader(write(tmp_path, text))
    assert len(reader.subjects()) == 30
    parsed, row = [], table_files.CsvTable._row
    monkeypatch.setattr(
        table_files.CsvTable, "_row", lambda self, line, cells: parsed.append(line) or row(self, line, cells)
    )
    assert len(list(reader.read("S17"))) == 10
    assert set(parsed) == set(range(172, 182))


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path):
    path = write(tmp_path, "image,subject,AU1_c\na.png,S1,1\n")
    reader = TableReader(path)
    reader.subjects()
    write(tmp_path, "image,subject,AU1_c\nlonger.png,S1,1\n")
    with pytest.raises(CorpusError, match="has changed"):
        list(reader.read("S1"))


def test_frames_and_pictures_come_once(tmp_path):
    header = "image,subject,sequence,frame,AU1_c\n"
    with pytest.raises(LabelError, match="line 3: found frame 1 of 'S1', sequence 'v', twice"):
        everything(TableReader(write(tmp_path, header + "a.png,S1,v,1,0\nb.png,S1,v,1,0\n")))
    with pytest.raises(LabelError, match="line 3: found image 'a.png' twice"):
        everything(TableReader(write(tmp_path, "image,subject,AU1_c\na.png,S1,0\na.png,S1,1\n")))
    with pytest.raises(LabelError, match="line 2: found '1.5'; expected a whole number as frame"):
        everything(TableReader(write(tmp_path, header + "a.png,S1,v,1.5,0\n")))


def test_no_subject_column_makes_each_picture_its_own_subject(tmp_path):
    reader = TableReader(write(tmp_path, "path,AU1_c\na/1.png,0\nb/1.png,1\n"))
    assert reader.subjects() == ("a/1", "b/1") and not reader.people_known
    assert any("a split by subject is a split by image" in note for note in reader.notes)
    videos = TableReader(write(tmp_path, "path,video,AU1_c\n1.png,v,0\n2.png,v,1\n"))
    assert videos.subjects() == ("v",) and not videos.people_known
    with pytest.raises(LabelError, match="line 3: found no subject"):
        TableReader(write(tmp_path, "path,subject,AU1_c\n1.png,S,0\n2.png,,1\n")).subjects()


def test_a_picture_that_is_not_on_disk_is_still_a_row(tmp_path):
    path = write(tmp_path, "image,subject,AU1_c\ngone.png,S1,1\n,S1,0\n")
    assert [r.image for r in everything(TableReader(path))] == [None, None]


def test_pictures_stay_inside_their_folder(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "secret.png")
    Image.new("RGB", (32, 32)).save(pictures / "a.png")
    os.symlink(tmp_path / "secret.png", pictures / "link.png")
    for name in ("../secret.png", "..\\secret.png", str(tmp_path / "secret.png"), "link.png", "C:\\a.png"):
        with pytest.raises(UnsafePathError, match=r"labels.csv, line 2"):
            everything(TableReader(write(tmp_path / "t", f"image,AU1_c\n{name},1\n"), images_dir=pictures))
    for name in ("a.png", str(pictures / "a.png")):
        [record] = everything(TableReader(write(tmp_path / "t", f"image,AU1_c\n{name},1\n"), images_dir=pictures))
        assert record.image == ImageFile(pictures.resolve() / "a.png")
    linked = TableReader(write(tmp_path / "t", "image,AU1_c\nlink.png,1\n"), images_dir=pictures, follow_links=True)
    assert everything(linked)[0].image is not None


def openface(folder, stem, rows=3, video=".mp4"):
    lines = [
        f"{f}, 0, {f / 25 - 0.04:.3f}, 0.98, {int(f != 2)}, 0.1, 1.37, 0.00, 1.00, 0.00\n" for f in range(1, rows + 1)
    ]
    if video:
        write(folder, "", f"{stem}{video}")
    return write(folder, OPENFACE + "".join(lines), f"{stem}.csv")


def test_openface_counts_from_1_and_a_lost_face_is_not_coded(tmp_path):
    reader = TableReader(openface(tmp_path, "clip"))
    assert reader.subjects() == ("clip",) and not reader.people_known
    assert any("not human codes" in note for note in reader.notes)
    first, lost, third = reader.read("clip")
    assert [r.image for r in (first, lost, third)] == [VideoFrame(tmp_path / "clip.mp4", i) for i in range(3)]
    assert (third.frame, third.sequence, third.timestamp) == (3, "clip", 0.08)
    assert first.values == {"intensity": {"AU1": 1.37, "AU45": 0.0}, "occurrence": {"AU1": 1.0, "AU28": 0.0}}
    assert all(math.isnan(v) for values in lost.values.values() for v in values.values())
    assert list(reader.image_places("clip")) == [tmp_path / "clip.mp4"]


def test_a_folder_of_openface_files(tmp_path):
    for stem in ("b", "a10", "a9"):
        openface(tmp_path / "csv", stem, video="")
        write(tmp_path / "videos", "", f"{stem.upper()}.AVI")
    os.remove(tmp_path / "videos" / "B.AVI")
    reader = TableReader(tmp_path / "csv", video=tmp_path / "videos")
    assert reader.subjects() == ("a9", "a10", "b")
    assert next(reader.read("a10")).image == VideoFrame(tmp_path / "videos" / "A10.AVI", 0)
    assert [r.image for r in reader.read("b")] == [None] * 3
    assert list(reader.label_files("b")) == [tmp_path / "csv" / "b.csv"]
    with pytest.raises(LayoutError, match="no video such as a9.mp4"):
        TableReader(tmp_path / "csv")


def test_the_video_that_openface_draws_over_is_not_the_video(tmp_path):
    openface(tmp_path, "clip", video=".avi")
    write(tmp_path, "Input:clip.mp4\r\nOutput csv:clip.csv\r\nOutput video:clip.avi\r\n", "clip_of_details.txt")
    with pytest.raises(LayoutError, match="no video"):
        TableReader(tmp_path)
    write(tmp_path, "", "clip.mp4")
    assert next(TableReader(tmp_path).read("clip")).image == VideoFrame(tmp_path / "clip.mp4", 0)
    write(tmp_path, "", "clip.mov")
    with pytest.raises(LayoutError, match="clip.mov, clip.mp4 all have the name"):
        TableReader(tmp_path)


def test_two_faces_a_frame_are_refused(tmp_path):
    path = openface(tmp_path, "clip", rows=1)
    with open(path, "a") as file:
        file.write("1, 1, 0.0, 0.9, 1, 0.1, 0, 0, 0, 0\n")
    with pytest.raises(LabelError, match="one face a frame"):
        everything(TableReader(path))


def test_a_picture_column_may_name_videos(tmp_path):
    write(tmp_path, "", "clip.mp4")
    path = write(tmp_path, "input,frame,subject,AU12_c,AU12_p\nclip.mp4,0,S,1,0.9\nclip.mp4,1,S,0,0.2\n")
    reader = TableReader(path)
    assert [r.image.index for r in reader.read("S")] == [0, 1] and reader.units == {"occurrence": ("AU12",)}
    with pytest.raises(LabelError, match="found frame 0; expected frames from 1"):
        everything(TableReader(path, first_frame=1))


def test_the_wrong_place_is_explained(tmp_path):
    with pytest.raises(LayoutError, match="no such file or folder"):
        TableReader(tmp_path / "nowhere")
    with pytest.raises(LayoutError, match="no table"):
        TableReader(tmp_path)
    write(tmp_path, "image,AU1_c\na.png,1\n", "one.csv")
    write(tmp_path, "image,AU1_c\nb.png,1\n", "two.csv")
    with pytest.raises(LayoutError, match=r"several tables \(one.csv, two.csv\)"):
        TableReader(tmp_path)
    assert TableReader(tmp_path, table="two.csv").subjects() == ("b",)
    with pytest.raises(LayoutError, match="no three.csv in it; its tables are one.csv, two.csv"):
        TableReader(tmp_path, table="three.csv")
    for name, text in (("a.xlsx", "x"), ("a.parquet", "x"), ("empty.csv", ""), ("empty.tsv", "\n\n")):
        with pytest.raises(LayoutError):
            TableReader(write(tmp_path / "other", text, name))
    with pytest.raises(LayoutError, match="no rows"):
        TableReader(write(tmp_path / "other", "image,AU1_c\n", "header.csv")).subjects()
    with pytest.raises(CorpusError, match="scale is 'level'"):
        TableReader(tmp_path / "one.csv", scale="level")


def test_a_bad_value_in_a_parquet_file_is_named_by_its_row(tmp_path):
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"image": list("abcd"), "AU1_c": [0, 1, None, 3]}).to_parquet(path, row_group_size=2)
    reader = TableReader(path)
    assert [math.isnan(next(reader.read(s)).values["occurrence"]["AU1"]) for s in "abc"] == [False, False, True]
    with pytest.raises(LabelError, match="line 4: found '3'"):
        list(reader.read("d"))
