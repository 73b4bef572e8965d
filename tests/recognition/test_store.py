"""Rows on disk: equal when they come back, whole after a kill, a full disk or Ctrl-C, and never mixed with another run's."""

import os
import resource
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aullava.action_units import PROTOCOLS
from aullava.readout_aullava import AUReading
from aullava.recognition.inputs import Failure, Source
from aullava.recognition.pipeline import Block, read_items
from aullava.recognition.rows import FaceRow
from aullava.recognition.store import Store, fill, working_folder
from aullava.recognition.work import Position, work_items

from scenes import save_pictures, save_video, settings_for, sources_of
from tiny import tiny_model

OPTIONS = {"mode": "joint", "protocols": ["disfa"], "checkpoint": "12ab"}
FRACTIONS = st.floats(0, 1, allow_subnormal=False)
LINE_BREAKS_AND_NO_UTF8 = os.fsdecode(b"a\nb \xf0\x9f\x98\x80 \xff.png")


@pytest.fixture(scope="module")
def checkpoint():
    return tiny_model()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Three pictures, one of them bad, a video, a video that is cut off, and a picture."""
    folder = tmp_path_factory.mktemp("inputs")
    pictures = save_pictures(folder, 4, dark=(1,))
    pictures[2].write_text("no picture")
    film = save_video(folder / "film.avi", 7, dark=(2,))
    cut = folder / "cut.avi"
    cut.write_bytes(film.read_bytes()[: film.stat().st_size * 4 // 5])
    return sources_of(*pictures[:3], film, cut, pictures[3])


@pytest.fixture(scope="module")
def settings(checkpoint):
    return settings_for(checkpoint, batch_size=2)


@pytest.fixture(scope="module")
def items(inputs, settings):
    return work_items(inputs, settings.batch_size)


@pytest.fixture(scope="module")
def blocks(items, settings):
    """All there is to be read."""
    return list(read_items([(item, Position()) for item in items], settings))


@given(
    name=st.sampled_from([LINE_BREAKS_AND_NO_UTF8, "a.png", "webcam:0"]),
    box=st.none() | st.tuples(*[st.integers(0, 9999)] * 4),
    score=st.none() | FRACTIONS,
    probabilities=st.dictionaries(st.sampled_from(["AU1", "AU4"]), FRACTIONS | st.lists(FRACTIONS, min_size=6)),
    value=st.none() | st.integers(0, 5) | FRACTIONS,
    timestamp=st.none() | st.floats(0, 1e5),
    fault=st.text(max_size=5),
    contradictions=st.sampled_from([(), ("AU4",), ("AU1", "AU4")]),
)
def test_a_row_comes_back_equal(name, box, score, probabilities, value, timestamp, fault, contradictions):
    reading = AUReading({"AU1": value, "AU4": None}, probabilities, "AU1=1\n", "repaired", {"AU1": 0.1})
    readings = {"bp4d": reading, "AU1,AU4": replace(reading, status="ok")}
    row = FaceRow(name, 3, readings, 17, timestamp, fault, contradictions, box, score)
    line = row.to_line()
    assert FaceRow.from_line(line) == row and line.count(b"\n") == 1
    assert list(FaceRow.from_line(line).readings) == list(row.readings)


def test_what_was_filled_in_comes_out_in_order(tmp_path, items, settings, blocks):
    seen = []
    with Store.open(tmp_path / "store", items, OPTIONS) as store:
        fill(store, store.pending(), settings, seen.append)
        assert list(store.rows()) == [row for block in blocks for row in block.rows]
        failures = list(store.failures())
        assert store.is_complete and seen == blocks
        assert store.count() == (sum(block.frames for block in blocks), sum(block.faces for block in blocks))
        store.delete()
    assert [failure.path.name for failure in failures] == ["2.png", "cut.avi"]
    assert failures == [failure for block in blocks for failure in block.failures]
    assert os.listdir(tmp_path) == []


class Stop(Exception):
    pass


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.json*"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, items, blocks):
    """The files of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with Store.open(folder, items, OPTIONS) as store:
        for block in blocks:
            store.add(block)
    return files_of(folder)


@pytest.mark.parametrize("saves_every", [0.0, 1e9], ids=["every block", "at the end of work items"])
def test_a_run_that_is_interrupted_after_any_block_ends_the_same(
    tmp_path, items, settings, blocks, whole, saves_every, monkeypatch
):
    monkeypatch.setattr("aullava.recognition.store._SAVE_EVERY_S", saves_every)
    folder, resumed = tmp_path / "store", 0
    for stop in range(0, len(blocks), 3):
        with Store.open(folder, items, OPTIONS) as store:
            for block in blocks[: stop + 1]:
                store.add(block)
        for rows in folder.glob("*.jsonl"):  # as a kill leaves it, which comes in the middle of a line
            rows.write_bytes(rows.read_bytes() + b'["half a li')
        with Store.open(folder, items, OPTIONS, resume=True) as store:
            resumed += any(position.frame for _, position in store.pending())
            fill(store, store.pending(), settings)
            assert list(store.rows()) == [row for block in blocks for row in block.rows]
        ends = {name: len(content) for name, content in whole.items()}
        assert {name: content[: ends[name]] for name, content in files_of(folder).items()} == whole
    assert (resumed > 0) == (saves_every == 0.0)  # inside a video, too


def test_after_a_kill_at_any_moment_whole_blocks_are_there(tmp_path, items, blocks, monkeypatch):
    monkeypatch.setattr("aullava.recognition.store._SAVE_EVERY_S", 0.0)
    block = next(block for block in blocks if block.item.kind == "video")
    found = 0  # blocks; each child goes on behind the last one
    for pause in (0.02, 0.04, 0.08):
        if (child := os.fork()) == 0:
            try:
                store = Store(tmp_path, items)
                while True:
                    store.add(block)
            finally:
                os._exit(1)
        while len(list(Store(tmp_path, items).rows())) == found * len(block.rows):
            time.sleep(0.01)
        time.sleep(pause)
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        rows = list(Store(tmp_path, items).rows())
        found = len(rows) // len(block.rows)
        assert rows == list(block.rows) * found


def test_a_full_disk_is_told_and_what_was_saved_holds(tmp_path, items, settings, blocks, monkeypatch):
    monkeypatch.setattr("aullava.recognition.store._SAVE_EVERY_S", 0.0)
    film = [block for block in blocks if block.item.kind == "video"][:4]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = sum(len(row.to_line()) for block in film[:2] for row in block.rows)
    with Store.open(tmp_path / "store", items, OPTIONS) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))  # no file may become longer
        try:
            with pytest.raises(OSError, match="kept there, and a resumed run continues") as caught:
                for block in film:
                    store.add(block)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(tmp_path / "store") in str(caught.value)
    with Store.open(tmp_path / "store", items, OPTIONS, resume=True) as store:
        assert list(store.rows()) == [row for block in film[:2] for row in block.rows]
        fill(store, store.pending(), settings)
        assert list(store.rows()) == [row for block in blocks for row in block.rows]


def test_ctrl_c_keeps_all_that_was_read(tmp_path, items, settings, blocks, request):
    # It is ignored where a shell started the tests with `&`.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def press(block):
        if block.item.kind == "video":
            signal.raise_signal(signal.SIGINT)

    with Store.open(tmp_path / "store", items, OPTIONS) as store:
        with pytest.raises(KeyboardInterrupt):
            fill(store, store.pending(), settings, press)
        first = next(number for number, block in enumerate(blocks) if block.item.kind == "video")
        assert list(store.rows()) == [row for block in blocks[: first + 1] for row in block.rows]
        [(_, position), *_] = store.pending()
        assert not store.is_complete and position.frame == blocks[first].after.frame > 0


def test_a_webcam_that_was_stopped_is_done(tmp_path, blocks):
    [item] = work_items([Source(Path("webcam:0"), "webcam")], 4)
    with Store.open(tmp_path / "store", [item], {}) as store:
        assert not store.is_complete
        store.add(Block(item, blocks[0].rows, (), 2, 3, Position(0, 2, {}), False))
        store.save()
    with Store.open(tmp_path / "store", [item], {}, resume=True) as store:
        assert store.is_complete and len(list(store.rows())) == len(blocks[0].rows)


def test_without_resuming_a_run_begins_anew(tmp_path, items, blocks):
    with Store.open(tmp_path / "store", items, OPTIONS) as store:
        store.add(blocks[0])
        store.save()
    with Store.open(tmp_path / "store", items, OPTIONS | {"mode": "parallel"}) as store:
        assert list(store.rows()) == [] and len(store.pending()) == len(items)


def test_another_run_is_not_gone_on_with(tmp_path, items, blocks):
    folder = tmp_path / "store"
    with Store.open(folder, items, OPTIONS) as store:
        store.add(blocks[0])
        store.save()
        before = files_of(folder)
    with pytest.raises(ValueError, match="mode was 'joint', is 'parallel'"):
        Store.open(folder, items, OPTIONS | {"mode": "parallel"}, resume=True)
    with pytest.raises(ValueError, match="every was None, is 2"):
        Store.open(folder, items, OPTIONS | {"every": 2}, resume=True)
    with pytest.raises(ValueError, match="inputs differ.*0.png and 1 more"):
        Store.open(folder, items[1:], OPTIONS, resume=True)
    with pytest.raises(ValueError, match="their order"):
        Store.open(folder, items[::-1], OPTIONS, resume=True)
    changed = items[0].sources[0].path
    stat = changed.stat()
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    try:
        with pytest.raises(ValueError, match="0.png"):
            Store.open(folder, items, OPTIONS, resume=True)
    finally:
        os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert files_of(folder) == before
    Store.open(folder, items, OPTIONS | {"protocols": ("disfa",)}, resume=True).close()


def test_two_runs_of_one_output_are_told_apart(tmp_path, items):
    refused = pytest.raises(ValueError, match="in use: another run writes the same output")
    with Store.open(tmp_path / "store", items, OPTIONS), refused:
        Store.open(tmp_path / "store", items, OPTIONS, resume=True)
    Store.open(tmp_path / "store", items, OPTIONS, resume=True).close()


def test_file_names_of_any_kind_come_back(tmp_path):
    source = Source(Path(LINE_BREAKS_AND_NO_UTF8), "image")
    [item] = work_items([source], 1)
    row = FaceRow(source.name, -1, {"bp4d": AUReading(dict.fromkeys(PROTOCOLS["bp4d"].units), status="no_face")})
    failure = Failure(source.path, f"{source.name}: strange")
    for resume in (False, True):
        with Store.open(tmp_path / "store", [item], OPTIONS, resume) as store:
            if not resume:
                store.add(Block(item, (row,), (failure,), 1, 0, Position(1), True))
            assert list(store.rows()) == [row] and list(store.failures()) == [failure]


def test_a_folder_that_cannot_be_made(tmp_path, items):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Store.open(tmp_path / "file" / "store", items, OPTIONS)


def test_the_working_folder_lies_beside_the_output():
    assert working_folder(Path("out/readings.csv")) == Path("out/.readings.csv.part")
    long = "é" * 120 + ".csv"
    assert len(os.fsencode(working_folder(Path(long)).name)) < 255
    assert working_folder(Path(long)) != working_folder(Path("e" + long))
