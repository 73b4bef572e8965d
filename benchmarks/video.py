"""How fast and how well `aullava recognize` reads videos, in how much memory, and what a kill and a second process do.

    OMP_NUM_THREADS=1 python benchmarks/video.py [--seconds 600] [--trial]

Conventions
    film                    drawn, two people, 640 x 360 pixels, 10 frames a second; both act a script of their own.
    end_to_end_over_model   faces a second of the whole command over those of the model alone: `recognize_many` on crops of the same
                            film in memory, same batch, same number of threads. What the command takes for a film of one frame is
                            taken off first (`startup_s`); the model alone is measured before and after the command, and meaned.
                            With one thread for the model, decoding and detection have the other cores to themselves.
    memory_growth           largest resident memory in the second half of the reading over that in the first, less 1.
    resume_equal            1 where a run that was ended by SIGKILL at half of its rows and taken up by --resume writes the bytes of
                            one that was left alone. resumed_share: its seconds after the kill over the other's, start-up off.
    two_process_speedup     ten films of a minute: wall time of one process over that of torchrun with two, start-up included in
                            both. The single process already uses the second core beside the model. two_process_equal: 1 where both
                            write the same bytes. one_core_over_two: the same, the single process kept on one core.
    *_per_s                 of decoder, detector (faces cut out, on one core) and model apart, each alone, on the clock.
    faces_found             share of drawn faces that have a row; frames_found: of frames where both have. face_ids: how many there
                            were, 2 where nobody was mistaken for another or for somebody new.
    correlation_*           of levels read with levels acted, per unit, over frames of both people; NaN where the script holds none.
    threads                 of torch: OMP_NUM_THREADS, 1 unless set.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from parts.video_runs import IN_PAIRS, Run, kill_in_the_middle, recognize, recognize_on_one_core
from parts.video_stages import measure_stages
from parts.video_truth import compare
from reporting import report

PEOPLE, RATE = 2, 10
TARGETS = {
    "end_to_end_over_model": ("at least", 0.8),
    "memory_growth": ("at most", 0.03),
    "resume_equal": ("at least", 1),
    "two_process_speedup": ("at least", 1.6),
}


class Benchmark:
    """The films, the flags of every command, and the figures found so far."""

    def __init__(self, folder: Path, given: argparse.Namespace):
        self.folder, self.given = folder, given
        self.figures: dict[str, float] = dict.fromkeys(TARGETS, math.nan)
        self._flags = ["--device", "cpu", "--batch-size", str(given.batch_size), "--mode", given.mode]
        self._flags += ["--min-face", str(given.min_face), "--framing", f"margin={given.margin}"]

    def film(self, name: str, seconds: float, seed: int = 0) -> Path:
        from aullava.dataset_builder.synthetic.drawn.film import write_film

        say(f"drawing {seconds:g} s of film: {name}")
        return write_film(self.folder / name, seconds, RATE, PEOPLE, seed)[0]

    def command(self, source: Path, name: str, *more: str) -> tuple[list[str], Path, Path]:
        """Arguments, table and log of a reading."""
        table = self.folder / name / "table.csv"
        table.parent.mkdir(exist_ok=True)
        return [str(source), "--out", str(table), *self._flags, *more], table, self.folder / f"{name}.log"

    def run(
        self, source: Path, name: str, *more: str, how: Callable[..., Run] = recognize, **options
    ) -> tuple[Run, Path]:
        say(f"reading: {name}")
        arguments, table, log = self.command(source, name, *more)
        return how(arguments, log, **options), table

    def stages(self, film: Path) -> dict[str, float]:
        """In a process of its own, as the command."""
        say("decoder, detector and model apart")
        given = [
            str(film),
            self.given.crops,
            self.given.batch_size,
            self.given.mode,
            self.given.min_face,
            self.given.margin,
        ]
        command = [sys.executable, __file__, "--stages", json.dumps(given)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    def read_one_film(self) -> None:
        """Speed, memory and agreement of one long film."""
        film = self.film("film", self.given.seconds)
        startup = self.run(self.film("moment", 1 / RATE), "startup")[0].seconds
        before = self.stages(film)
        run, table = self.run(film, "whole")
        apart = {name: statistics.mean(pair) for name, pair in pair_up(before, self.stages(film)).items()}
        found = compare(table, film.with_name("labels.csv"))
        end_to_end = found.faces / (run.seconds - startup)
        self.figures |= {
            "end_to_end_over_model": end_to_end / apart["model_faces_per_s"],
            "memory_growth": run.memory_growth(startup),
            "end_to_end_faces_per_s": end_to_end,
            "startup_s": startup,
            "peak_mb": max(size for _, size in run.memory) / 2**20,
            **apart,
            "faces_found": found.faces_found,
            "frames_found": found.frames_found,
            "face_ids": found.ids,
            "mean_correlation": statistics.mean(
                filter(lambda value: not math.isnan(value), found.correlation.values())
            ),
            **{f"correlation_{column}": value for column, value in found.correlation.items()},
        }
        self._resume(film, table, startup, run)

    def _resume(self, film: Path, whole: Path, startup: float, run: Run) -> None:
        from aullava.recognition.store import working_folder

        arguments, table, log = self.command(film, "resumed")
        rows = PEOPLE * round(self.given.seconds * RATE) // 2
        say("reading, killed in the middle")
        kill_in_the_middle(arguments, working_folder(table), rows, log)
        if table.exists():
            raise RuntimeError(f"{table} is there although its reading was killed in the middle")
        again, _ = self.run(film, "resumed", "--resume")
        self.figures |= {
            "resume_equal": int(table.read_bytes() == whole.read_bytes()),
            "resumed_share": (again.seconds - startup) / (run.seconds - startup),
        }

    def read_many_films(self) -> None:
        """Ten films in one process, in two, and in one that may use one core only."""
        films = self.folder / "films"
        films.mkdir()
        for seed in range(self.given.films):
            film = self.film(f"drawn-{seed}", self.given.film_seconds, seed=1 + seed)
            film.rename(films / f"{seed}.mp4")
        one, table = self.run(films, "one_process")
        two, table_of_two = self.run(films, "two_processes", launcher=IN_PAIRS)
        self.figures |= {
            "two_process_speedup": one.seconds / two.seconds,
            "two_process_equal": int(table.read_bytes() == table_of_two.read_bytes()),
            "one_process_s": one.seconds,
            "two_processes_s": two.seconds,
        }
        if not self.given.trial:
            pinned, _ = self.run(films, "one_core", how=recognize_on_one_core)
            self.figures["one_core_over_two"] = pinned.seconds / two.seconds


def pair_up(one: dict[str, float], other: dict[str, float]) -> dict[str, tuple[float, float]]:
    return {name: (value, other[name]) for name, value in one.items()}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="of the long film (default: %(default)s)")
    parser.add_argument("--films", type=int, default=10, help="how many shorter ones (default: %(default)s)")
    parser.add_argument("--film-seconds", type=float, default=60, help="of each of them (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--mode", default="joint", help="joint or parallel (default: %(default)s)")
    parser.add_argument(
        "--min-face",
        type=float,
        default=0.2,
        help="as of `aullava recognize`; larger is faster (default: %(default)s)",
    )
    parser.add_argument(
        "--margin", type=float, default=0.07, help="likewise; how drawn faces are framed (default: %(default)s)"
    )
    parser.add_argument("--crops", type=int, default=512, help="read by the model alone (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where films and tables go for the while (default: temporary)")
    parser.add_argument("--trial", action="store_true", help="10 s of film, two films of 3 s, 64 crops; no file")
    parser.add_argument("--stages", help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.stages:
        print(json.dumps(measure_stages(*json.loads(given.stages))))
        return
    if given.trial:
        given.seconds, given.films, given.film_seconds, given.crops = 10, 2, 3, 64
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        benchmark = Benchmark(Path(folder), given)
        benchmark.read_one_film()
        benchmark.read_many_films()
    figures = {name: float(f"{value:.4g}") for name, value in benchmark.figures.items()}
    title = (
        f"A drawn video of {given.seconds:g} s, {given.films} of {given.film_seconds:g} s: {PEOPLE} faces, {RATE} frames a second, "
        f"mode {given.mode}, batch {given.batch_size}, faces from {given.min_face:g} of the height, "
        f"{os.cpu_count()} cores, threads {os.environ['OMP_NUM_THREADS']}, load {os.getloadavg()[0]:.1f}"
    )
    report("video", title, figures, TARGETS, write=not given.trial)


if __name__ == "__main__":
    main()
