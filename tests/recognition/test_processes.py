"""Two processes under torchrun leave the same rows as one; and how work items are dealt out."""

from pathlib import Path

import pytest

from aullava.recognition.inputs import Source
from aullava.recognition.processes import Shard, _owners, join, open_shared
from aullava.recognition.store import Store, fill
from aullava.recognition.work import work_items

import forked
from scenes import save_pictures, save_video, settings_for, sources_of
from tiny import tiny_model

SCRIPT = """
import sys
from pathlib import Path
from aullava.recognition.processes import join, open_shared
from aullava.recognition.store import fill
from aullava.recognition.work import work_items
from scenes import settings_for, sources_of
from tiny import tiny_model

folder, *paths = map(Path, sys.argv[1:])
settings = settings_for(tiny_model(), batch_size=2)
with join() as shard:
    store, work = open_shared(shard, folder, work_items(sources_of(*paths), 2), {"mode": "joint"})
    fill(store, work, settings)
    print("read by", shard.rank, [item.number for item, _ in work], flush=True)
    shard.wait()
    if shard.is_first:
        assert store.is_complete
        store.close()
"""


def test_two_processes_leave_what_one_leaves(tmp_path):
    pictures = save_pictures(tmp_path, 5, dark=(2,))
    pictures[3].write_text("no picture")
    videos = [save_video(tmp_path / f"{count}.avi", count, seed=count) for count in (3, 7, 2)]
    paths = [*pictures, *videos]
    (tmp_path / "script.py").write_text(SCRIPT)
    result = forked.run(tmp_path / "script.py", tmp_path / "two", *paths, processes=2)
    assert result.returncode == 0, result.stderr[-3000:]
    # Work items 0, 1 and 2 are pictures, 4 is the longest video.
    assert "read by 1 [0, 2, 4]" in result.stdout and "read by 0 [1, 3, 5]" in result.stdout
    settings, items = settings_for(tiny_model(), batch_size=2), work_items(sources_of(*paths), 2)
    with Store.open(tmp_path / "one", items, {"mode": "joint"}) as store:
        fill(store, store.pending(), settings)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).glob("*.json*")} for name in ("one", "two"))
    assert one == two and len(one) == 2 * 6 + 1


def test_the_largest_goes_to_who_has_least(tmp_path):
    paths = [tmp_path / f"{number}.mp4" for number in range(6)]
    for path, size in zip(paths, (10, 500, 30, 300, 250, 20), strict=True):
        path.write_bytes(bytes(size))
    items = work_items([*sources_of(*paths), *[Source(Path("a.png"), "image")] * 5], 2)
    everything = {item.number for item in items}
    assert _owners(items, everything, 2) == [1, 1, 1, 0, 0, 1, 1, 0, 1]
    assert _owners(items, everything, 1) == [0] * 9
    assert _owners(items, {1, 3}, 2) == [-1, 1, -1, 0, *[-1] * 5]


def test_alone_there_is_nobody_to_wait_for(tmp_path, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    items = work_items([Source(Path("webcam:0"), "webcam"), Source(tmp_path / "gone.png", "image")], 2)
    with join() as shard:
        assert shard == Shard() and shard.is_first and shard.device("auto") == "auto"
        shard.wait()
        store, work = open_shared(shard, tmp_path / "store", items, {})
        assert [item for item, _ in work] == items
        store.close()


def test_a_webcam_is_not_shared(tmp_path):
    items = work_items([Source(Path("webcam:0"), "webcam")], 2)
    with pytest.raises(ValueError, match="webcam is read by one process: this run has 2"):
        open_shared(Shard(1, 2, 1), tmp_path / "store", items, {})


def test_each_process_takes_the_gpu_of_its_number(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert Shard(5, 8, 1).device("auto") == "cuda:1" and Shard(5, 8, 1).device("cpu") == "cpu"
    assert Shard().device("auto") == "auto"
