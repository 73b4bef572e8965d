"""Files of given rows: read back, streamed, whole or not at all, one an input."""

import builtins
import json
import os
import tracemalloc

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aullava.action_units import PROTOCOLS, Protocol, unit
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.recognition import writers as outputs
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import Layout
from aullava.recognition.writers import Target, write_table

from given_rows import bare_row, face_row, one, reading

BP4D = PROTOCOLS["bp4d"]
LEVELS = [0.1, 0.2, 0.3, 0.15, 0.15, 0.1]
ODD = os.fsdecode(b"caf\xe9.png")
SMALL = Protocol("small", ("AU1", "AU12"), "intensity")
# What the version before streaming and several protocols wrote for `earlier_rows`, byte for byte.
EARLIER_CSV = (
    b"input,frame,timestamp,face_id,success,confidence,box_x,box_y,box_w,box_h,status,AU01_r,AU12_r,AU01_p,AU12_p\n"
    b'"a/fa,c""e\n.png",0,0.0,0,1,0.7568,10,20,30,30,ok,0,2,,0.7\n'
    b"caf\xe9.png,0,0.0,1,1,,0,0,5,5,ok,,0,,\n"
    b"wall.png,0,0.0,-1,0,,,,,,no_face,,,,\n"
)
EARLIER_JSONL = (
    b'{"input": "a/fa,c\\"e\\n.png", "frame": 0, "timestamp": 0.0, "face_id": 0, "success": 1, "confidence": 0.7568, '
    b'"box_x": 10, "box_y": 20, "box_w": 30, "box_h": 30, "status": "ok", "protocol": "small", "scale": "intensity", '
    b'"values": {"AU1": 0, "AU12": 2}, "probabilities": {"AU1": null, "AU12": [0.1, 0.2, 0.3, 0.15, 0.15, 0.1]}, '
    b'"text": "AU1=0 AU12=2"}\n'
)


def earlier_rows():
    smile = reading(SMALL, {"AU12": 2}, {"AU12": LEVELS})
    unsure = reading(SMALL, {"AU1": None})
    return [
        face_row('a/fa,c"e\n.png', (SMALL, smile), score=0.756789),
        face_row(ODD, (SMALL, unsure), face_id=1, box=(0, 0, 5, 5), score=None),
        bare_row("wall.png", SMALL),
    ]


def test_csv_of_one_protocol_is_what_it_was(tmp_path):
    write_table(earlier_rows(), Target.parse(tmp_path / "new" / "r.csv"), Layout((SMALL,)))
    assert (tmp_path / "new" / "r.csv").read_bytes() == EARLIER_CSV


def test_json_lines_of_one_protocol_are_what_they_were(tmp_path):
    write_table(earlier_rows(), Target.parse(tmp_path / "r.jsonl"), Layout((SMALL,)))
    first, odd, blank = (tmp_path / "r.jsonl").read_bytes().splitlines(keepends=True)
    assert first == EARLIER_JSONL
    assert json.loads(odd)["input"] == ODD
    assert json.loads(blank)["values"] == {"AU1": None, "AU12": None} and json.loads(blank)["box_x"] is None


def test_json_lines_of_several_protocols_keep_them_apart(tmp_path):
    row = face_row(
        "a.png",
        (BP4D, reading(BP4D, {"AU1": 1}, {"AU1": 0.9})),
        (SMALL, reading(SMALL, {"AU1": 2}, {"AU1": LEVELS}, status="repaired", expected={"AU1": 1.23456})),
    )
    damaged = bare_row("a.png", BP4D, SMALL, frame=1, fault="damaged packet")
    write_table([row, damaged], Target.parse(tmp_path / "r.jsonl"), Layout((BP4D, SMALL), "expected"))
    found, blank = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    assert list(found)[-2:] == ["status", "readings"] and found["status"] == "repaired"
    assert list(found["readings"]) == ["bp4d", "small"]
    assert found["readings"]["bp4d"]["values"]["AU1"] == 1 and found["readings"]["bp4d"]["status"] == "ok"
    assert found["readings"]["small"] == {
        "scale": "intensity",
        "values": {"AU1": 1.2346, "AU12": None},
        "probabilities": {"AU1": LEVELS, "AU12": None},
        "text": "AU1=2 AU12=0",
        "status": "repaired",
    }
    assert blank["status"] == blank["readings"]["bp4d"]["status"] == "unreadable"


def video_rows(names=("a.mp4", "b.mp4"), frames=3, protocol=SMALL):
    """Two faces a frame, none in the last."""
    for name in names:
        for frame in range(frames):
            when = {"frame": frame, "timestamp": None if name == "b.mp4" else frame / 30}
            if frame == frames - 1:
                yield bare_row(name, protocol, **when)
                continue
            for face_id in range(2):
                yield one(protocol, {"AU12": frame % 6}, {"AU12": LEVELS}, name=name, face_id=face_id, **when)


def test_csv_and_parquet_hold_the_same_table(tmp_path):
    layout = Layout((SMALL,))
    for name in ("r.csv", "r.parquet"):
        assert write_table(video_rows(), Target.parse(tmp_path / name), layout) == [tmp_path / name]
    expected = layout.frame(video_rows()).astype({"input": "str", "status": "str"})
    read = pd.read_csv(tmp_path / "r.csv", dtype=layout.types | {"input": "str", "status": "str"})
    pd.testing.assert_frame_equal(read, expected)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "r.parquet"), expected)
    plain = pd.read_csv(tmp_path / "r.csv")
    assert plain["timestamp"].isna().tolist() == [False] * 5 + [True] * 5
    assert plain.loc[2, "timestamp"] == pytest.approx(1 / 30, abs=1e-6)


def test_what_the_embedded_checkpoint_read_comes_back_from_every_format(tmp_path):
    model, processor = load_checkpoint(embedded_checkpoint(), "cpu")
    faces = [sample_face("test", number).image_HWC for number in range(2)]
    layout = Layout((BP4D, PROTOCOLS["disfa"], PROTOCOLS["feafa"]), "expected")
    found = model.recognize_many(faces, processor, layout.protocols, "parallel")
    rows = [FaceRow(f"{number}.png", 0, readings) for number, readings in enumerate(found)]
    for name in ("r.csv", "r.jsonl", "r.parquet"):
        write_table(rows, Target.parse(tmp_path / name), layout)
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    for table in (pd.read_csv(tmp_path / "r.csv"), pd.read_parquet(tmp_path / "r.parquet")):
        for place, row in enumerate(rows):
            cells = table.loc[place]
            for code in BP4D.units:
                assert cells[BP4D.column(code)] == row.readings["bp4d"].values[code]
            for code, expected in row.readings["disfa"].expected.items():
                assert cells[f"{unit(code).column}_r"] == pytest.approx(expected, abs=5e-5)
            for code, value in row.readings["feafa"].values.items():
                assert cells[f"{code}_v"] == lines[place]["readings"]["feafa"]["values"][code] == value
            assert cells["disfa_AU12_p"] == pytest.approx(
                sum(row.readings["disfa"].probabilities["AU12"][2:]), abs=1e-4
            )
    assert set(table["AU12_r"]) - {0, 1, 2, 3, 4, 5}, "expected levels are no whole numbers"


def test_parquet_says_what_its_columns_hold_and_writes_out_odd_names(tmp_path):
    import pyarrow.parquet as pq

    rows = [one(SMALL, name=ODD), one(SMALL, name="😀\n.png")]
    write_table(rows, Target.parse(tmp_path / "r.parquet"), Layout((SMALL,)))
    table = pq.read_table(tmp_path / "r.parquet")
    assert table.column("input").to_pylist() == ["caf\\udce9.png", "😀\n.png"]
    about = table.schema.field("AU12_r").metadata
    assert (about[b"name"], about[b"scale"], about[b"range"]) == (b"Lip corner puller", b"intensity", b"[0, 5]")
    assert str(table.schema.field("AU12_r").type) == "int64" and str(table.schema.field("AU12_p").type) == "double"


def test_parquet_groups_small_tables_and_holds_every_row(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setattr(outputs, "_GROUP", 4)
    layout = Layout((SMALL,))
    rows = [one(SMALL, {"AU12": number % 6}, name=f"{number}.png") for number in range(10)]
    write_table(rows, Target.parse(tmp_path / "r.parquet"), layout, transform=lambda frame: frame)
    found = pq.ParquetFile(tmp_path / "r.parquet")
    assert [found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)] == [4, 4, 2]
    assert found.read().column("input").to_pylist() == [f"{number}.png" for number in range(10)]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_no_row_is_a_file_without_rows(format, tmp_path):
    layout = Layout((SMALL,))
    for transform in [None] if format == "jsonl" else [None, lambda frame: frame]:
        write_table([], Target.parse(tmp_path / f"r.{format}"), layout, transform)
        if format == "csv":
            assert (tmp_path / "r.csv").read_text() == ",".join(layout.names) + "\n"
        elif format == "parquet":
            assert list(pd.read_parquet(tmp_path / "r.parquet").columns) == layout.names
        else:
            assert (tmp_path / "r.jsonl").read_bytes() == b""


def test_a_transform_changes_what_is_written_and_json_lines_refuse_it(tmp_path):
    def double(frame):
        return frame.assign(AU12_r=frame["AU12_r"] * 2)

    layout, rows = Layout((SMALL,)), [one(SMALL, {"AU12": 2}), bare_row("a.png", SMALL, frame=1)]
    for name, read in (("r.csv", pd.read_csv), ("r.parquet", pd.read_parquet)):
        write_table(rows, Target.parse(tmp_path / name), layout, double)
        found = read(tmp_path / name)["AU12_r"]
        assert found[0] == 4.0 and found.isna().tolist() == [False, True] and str(found.dtype).lower() == "float64"
    target = Target.parse(tmp_path / "r.jsonl")
    for refuse in (target.check_transform, lambda: write_table(rows, target, layout, double)):
        with pytest.raises(ValueError, match=r"r\.jsonl.*\.csv or \.parquet"):
            refuse()
    assert not target.path.exists()


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_folder_gets_one_file_an_input(format, tmp_path):
    names = ("v/clip.mp4", "w/Clip.avi", "odd/😀 a\nb.png", f"odd/{ODD}", "webcam:0")
    layout = Layout((SMALL,))
    written = write_table(video_rows(names), Target.parse(f"{tmp_path}/{ODD}/", format), layout)
    stems = ["clip", "Clip-2", "😀 a\nb", os.fsdecode(b"caf\xe9"), "webcam-0"]
    assert written == [tmp_path / ODD / f"{stem}.{format}" for stem in stems]
    assert sorted(written) == sorted((tmp_path / ODD).iterdir())
    read = {
        "csv": lambda path: pd.read_csv(path, encoding_errors="surrogateescape", dtype={"input": object}),
        "jsonl": lambda path: {"input": pd.Series([json.loads(line)["input"] for line in path.open()], dtype=object)},
        "parquet": lambda path: pd.read_parquet(path.open("rb")),
    }[format]
    shown = [name.replace("\udce9", "\\udce9") if format == "parquet" else name for name in names]
    assert [read(path)["input"].tolist() for path in written] == [[name] * 5 for name in shown]


@pytest.mark.parametrize(
    "out, format, expected",
    [
        ("a.csv", None, ("a.csv", "csv", False)),
        ("a.JSONL", None, ("a.JSONL", "jsonl", False)),
        ("a.csv", "csv", ("a.csv", "csv", False)),
        ("new/", None, ("new", "csv", True)),
        ("new.csv/", None, ("new.csv", "csv", True)),
        ("there", "parquet", ("there", "parquet", True)),
        ("there.csv/", "jsonl", ("there.csv", "jsonl", True)),
    ],
)
def test_a_target_is_a_file_or_a_folder(out, format, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("there", "there.csv"):
        (tmp_path / folder).mkdir()
    found = Target.parse(out, format)
    assert (str(found.path), found.format, found.one_an_input) == expected


@pytest.mark.parametrize(
    "out, format, said",
    [
        ("a.xlsx", None, r"a\.xlsx.*\.csv, \.jsonl or \.parquet"),
        ("new", "csv", "cannot tell the format of new"),
        ("a.csv", "jsonl", r"ends in \.csv, but the format is jsonl"),
        ("there.csv", None, "there.csv is a folder"),
        ("new/", "xlsx", "format is 'xlsx'"),
    ],
)
def test_a_target_that_says_too_little_or_too_much_is_refused(out, format, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").mkdir()
    with pytest.raises(ValueError, match=said):
        Target.parse(out, format)


def test_parquet_without_its_library_names_the_extra_before_anything_is_read(monkeypatch):
    def refuse(name, *arguments, **options):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return imported(name, *arguments, **options)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ValueError, match=r"pip install 'au-llava\[parquet\]'"):
        Target.parse("r.parquet")
    assert Target.parse("r.csv").format == "csv"


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_file_appears_whole_or_not_at_all(format, tmp_path):
    def broken():
        yield one(SMALL)
        raise OSError("the disk is full")

    target = tmp_path / f"r.{format}"
    target.write_text("earlier")
    with pytest.raises(OSError, match="disk is full"):
        write_table(broken(), Target.parse(target), Layout((SMALL,)))
    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_json_refuses_what_is_no_number(tmp_path):
    broken = one(SMALL, {}, {"AU1": [float("nan")] * 6})
    with pytest.raises(ValueError):
        write_table([broken], Target.parse(tmp_path / "r.jsonl"), Layout((SMALL,)))


def test_a_name_as_long_as_the_system_takes_is_written(tmp_path):
    target = tmp_path / ("x" * 251 + ".csv")
    write_table([one(SMALL)], Target.parse(target), Layout((SMALL,)))
    assert list(tmp_path.iterdir()) == [target]
    source = "y" * 251 + ".png"
    [written] = write_table([one(SMALL, name=source)], Target.parse(f"{tmp_path}/out/", "parquet"), Layout((SMALL,)))
    assert written.exists()


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_rows(format, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs.Layout.chunks, "__defaults__", (64,))
    monkeypatch.setattr(outputs, "_GROUP", 64)
    layout, target = Layout((SMALL,)), Target.parse(tmp_path / f"r.{format}")

    def peak(frames: int) -> int:
        tracemalloc.start()
        write_table(video_rows(["a.mp4"], frames), target, layout)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(40)  # what is imported and kept once
    assert peak(500) < 1.5 * peak(100)


@settings(max_examples=15)
@given(
    st.lists(st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name)), min_size=1, max_size=4)
)
def test_any_file_name_comes_back_from_csv_and_json_lines(tmp_path_factory, names):
    folder, layout = tmp_path_factory.mktemp("names"), Layout((SMALL,))
    rows = [one(SMALL, name=os.fsdecode(name)) for name in names]
    write_table(rows, Target.parse(folder / "r.csv"), layout)
    write_table(rows, Target.parse(folder / "r.jsonl"), layout)
    read = pd.read_csv(
        folder / "r.csv", encoding_errors="surrogateescape", keep_default_na=False, dtype={"input": object}
    )
    assert [os.fsencode(name) for name in read["input"]] == names
    lines = (folder / "r.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert [os.fsencode(json.loads(line)["input"]) for line in lines] == names
