"""How fast `aullava build` writes rows, in how much memory, and what a second process gains.

    python benchmarks/build.py [--frames 20000] [--video-seconds 300] [--folder DIR]

Conventions
    rows_per_s            drawn faces as PNG, one process; imports of libraries are not counted.
    memory_growth         largest resident memory while the second half of the rows is written over that of the first half. More
                          than 1 by a few hundredths means that memory grows with the corpus.
    two_process_speedup   wall time of the whole command with one process over that with two, imports of both included. Eight people
                          of equally many faces.
    video_*               the same for one DISFA video, 20 frames a second, every frame decoded and stored as JPEG.
    peak_mb               largest resident memory of the one process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from reporting import report

PEOPLE = 8  # who share the drawn faces; both processes get four
FACE_SIZE = 96  # pixels
VIDEO_SIZE, VIDEO_RATE = (640, 480), 20
DISFA_UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)


def measure(corpus: str, data_dir: str | None, options: Sequence[str], out: Path, processes: int, frames: int) -> dict:
    """Build in this process (and its workers) and look at its memory after every row.

    Returns:
        rows, seconds, and the largest resident memory in bytes in the first and in the second half of the frames.
    """
    from aullava.dataset_builder.publish.folder import OutFolder
    from aullava.dataset_builder.publish.request import make_job
    from aullava.dataset_builder.publish.shards import plan_shards
    from aullava.dataset_builder.publish.sources import Sources
    from aullava.dataset_builder.publish.workers import Task, build_shards

    this, done, peaks = psutil.Process(), 0, [0, 0]

    def advance(count: int) -> None:
        nonlocal done
        half = int(done >= frames / 2)
        peaks[half] = max(peaks[half], this.memory_info().rss)
        done += count

    job = make_job(corpus, data_dir, options)
    begun = time.perf_counter()
    with OutFolder(out, job.settings()) as folder:
        reader = job.open()
        sources = Sources(reader)
        tasks = [Task(plan, sources.fingerprint(plan.subjects)) for plan in plan_shards(reader, reader.subjects())]
        rows = sum(outcome.rows for outcome in build_shards(reader, job, folder, tasks, processes, advance))
    if rows != frames:
        raise RuntimeError(f"{rows} rows of {corpus}: expected {frames}")
    return {"rows": rows, "seconds": time.perf_counter() - begun, "first_half": peaks[0], "second_half": peaks[1]}


def in_fresh_process(folder: Path, name: str, *arguments: object) -> dict:
    """`measure` in a process of its own, and the wall time of all of it."""
    text = json.dumps([*arguments[:3], str(folder / name), *arguments[3:]])
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, __file__, "--measure", text], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]) | {"wall": time.perf_counter() - begun}


def drawn_figures(folder: Path, frames: int) -> dict[str, float]:
    frames -= frames % PEOPLE
    options = [f"count={frames}", f"frames_per_identity={frames // PEOPLE}", f"draw_size={FACE_SIZE}"]
    one = in_fresh_process(folder, "one", "procedural", None, options, 1, frames)
    two = in_fresh_process(folder, "two", "procedural", None, options, 2, frames)
    return _speed_and_memory(one) | {"two_process_speedup": round(one["wall"] / two["wall"], 3)}


def video_figures(folder: Path, seconds: int) -> dict[str, float]:
    corpus, frames = folder / "DISFA", seconds * VIDEO_RATE
    write_disfa(corpus, frames)
    one = in_fresh_process(folder, "video", "disfa", str(corpus), [], 1, frames)
    return {f"video_{name}": figure for name, figure in _speed_and_memory(one).items()}


def _speed_and_memory(run: dict) -> dict[str, float]:
    return {
        "rows_per_s": round(run["rows"] / run["seconds"], 1),
        "memory_growth": round(run["second_half"] / run["first_half"], 4),
        "peak_mb": round(max(run["first_half"], run["second_half"]) / 2**20),
    }


def write_disfa(corpus: Path, frames: int) -> None:
    """One person of DISFA: a video of drifting noise, and labels of every frame."""
    import av

    labels = corpus / "ActionUnit_Labels" / "SN001"
    labels.mkdir(parents=True)
    for number in DISFA_UNITS:
        lines = (f"{frame},{(frame // 20 + number) % 6}\n" for frame in range(1, frames + 1))
        (labels / f"SN001_au{number}.txt").write_text("".join(lines))
    width, height = VIDEO_SIZE
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    scene_HWC = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    video = corpus / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    video.parent.mkdir()
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=VIDEO_RATE)
        stream.width, stream.height, stream.bit_rate = width, height, 4_000_000
        for index in range(frames):
            shifted = np.ascontiguousarray(np.roll(scene_HWC, index % width, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, "rgb24")))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000, help="drawn faces (default: %(default)s)")
    parser.add_argument("--video-seconds", type=int, default=300, help="length of the video (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="where the rows and the video go for the while (default: temporary)"
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        *given, out, processes, frames = json.loads(arguments.measure)
        print(json.dumps(measure(*given, Path(out), processes, frames)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = drawn_figures(Path(folder), arguments.frames) | video_figures(Path(folder), arguments.video_seconds)
    title = f"{arguments.frames} drawn frames of {FACE_SIZE} pixels; a video of {arguments.video_seconds} s, {VIDEO_SIZE} pixels"
    report("build", title, figures)


if __name__ == "__main__":
    main()
