"""Several processes, and processes that are killed: the bytes are those of one that ran undisturbed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aullava.cli import main

from trees.written import contents

# Sixteen people, some tenths of a second each: enough to be caught in the middle.
DRAWN = [
    "build",
    "--corpus",
    "procedural",
    *("--option=count=128", "--option=frames_per_identity=8", "--option=draw_size=96"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("undisturbed") / "rows"
    assert main([*DRAWN, "--out", str(out)]) == 0
    return contents(out)


def start(out: Path, processes: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "aullava.cli", *DRAWN, "--out", str(out), "--num-proc", str(processes)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_shards(out: Path, process: subprocess.Popen, count: int) -> None:
    until = time.monotonic() + 120
    while len(list((out / ".build/shards").glob("*.json"))) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)


def test_killed_and_run_again_gives_the_same_bytes(tmp_path, undisturbed):
    out = tmp_path / "rows"
    process = start(out, 2)
    wait_for_shards(out, process, 2)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []  # nobody goes on writing into a folder that another run will take
    left = contents(out)
    assert "manifest.json" not in left and 2 <= sum(name.endswith(".parquet") for name in left) < 16
    (out / "data/.aullava-left").write_text("by an interrupted run")
    assert main([*DRAWN, "--out", str(out)]) == 0
    assert contents(out) == undisturbed


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_and_a_dead_worker_is_an_error(tmp_path, undisturbed):
    out = tmp_path / "rows"
    process = start(out, 2)
    wait_for_shards(out, process, 1)
    for worker in psutil.Process(process.pid).children(recursive=True):
        if "spawn_main" in " ".join(worker.cmdline()):
            os.kill(worker.pid, signal.SIGKILL)
            break
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "stopped: " in said and "a worker process ended" in said, said
    assert "run the same command again to resume" in said and "Traceback" not in said
    assert main([*DRAWN, "--out", str(out), "--num-proc", "2"]) == 0
    assert contents(out) == undisturbed
