"""`aullava recognize`: read action units from images and videos, into a table and other outputs.

recognize_job.py says what is checked before the reading, and what is written after it.
"""

import argparse
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console

from aullava.action_units import PROTOCOLS, SCALES
from aullava.commands.errors import UsageError, named, path, positive, say
from aullava.common.files import printable

if TYPE_CHECKING:
    from aullava.commands.recognize_job import Job, RecognizeRequest, Results
    from aullava.recognition.processes import Shard
    from aullava.recognition.store import Store

HELP = "read action units from images, videos, folders and webcams"
DESCRIPTION = (
    "Read the action units of every face: one row per face and frame. Exit code 0: all read. 1: some inputs, answers or outputs "
    "failed; each is named on stderr, the rest is written. 2: bad usage. Under torchrun or accelerate launch the inputs are shared "
    "out over processes, and the table is the same."
)
ALL_READ, SOME_FAILED = 0, 1
MODES = ("joint", "parallel", "generate")
FORMATS = ("csv", "jsonl", "parquet")
_MOST_NOTES = 20  # shown on the terminal; the sidecar has all


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="image, video, folder (searched recursively), text file with one path per line, or webcam:0",
    )
    _add_input_flags(parser.add_argument_group("inputs"))
    _add_face_flags(parser.add_argument_group("faces"))
    _add_model_flags(parser.add_argument_group("model"))
    _add_output_flags(parser.add_argument_group("outputs"))
    _add_series_flags(
        parser.add_argument_group("series", "Work on the values of each face over the frames of an input.")
    )


def _add_input_flags(group) -> None:
    group.add_argument(
        "--pattern",
        action="append",
        default=[],
        metavar="GLOB",
        help="in folders, only files whose name matches, such as '*.mp4'; may be repeated",
    )
    group.add_argument("--every", type=positive, metavar="N", help="read every N-th frame of videos (default: 1)")
    group.add_argument("--fps", type=float, metavar="X", help="read X frames of each second, instead of --every")


def _add_face_flags(group) -> None:
    group.add_argument(
        "--faces",
        type=named,
        default="auto",
        metavar="HOW",
        help="auto: find and crop faces as in the checkpoint's training. none: every image is one face, cropped already. haar (the "
        "cascade that comes with OpenCV), yunet:FILE.onnx or yunet:ORG/NAME (YuNet, from its file or its repo on the Hub): the "
        "checkpoint's detector by name (default: %(default)s)",
    )
    group.add_argument("--largest", action="store_true", help="only the largest face of a frame")
    group.add_argument(
        "--min-confidence",
        type=float,
        default=0.0,
        metavar="P",
        help="leave out faces with a lower detection score, 0 to 1",
    )
    group.add_argument(
        "--min-face",
        type=_pixels_or_share,
        metavar="S",
        help="smallest face to look for: its side in pixels or, below 1, as a fraction of the image's shorter side; 0.2 is several "
        "times faster than the default, 24 pixels in an image of at most 1280",
    )
    group.add_argument(
        "--margin",
        type=float,
        metavar="M",
        help="fraction of a face's side added on each side of its crop; must equal the checkpoint's",
    )
    group.add_argument(
        "--framing",
        type=named,
        metavar="KEY=VALUE,...",
        help="depart from the checkpoint's framing: detector=yunet:FILE.onnx,margin=0.25,largest=true, or some of these. Another "
        "detector brings its own margin (haar 0.25, yunet 0.125)",
    )


def _add_model_flags(group) -> None:
    group.add_argument(
        "--checkpoint", type=named, metavar="DIR|HUB_ID", help="default: the checkpoint that comes with the package"
    )
    group.add_argument(
        "--server",
        type=named,
        metavar="URL",
        help="send crops to a server that speaks OpenAI's API, such as http://localhost:8000/v1, and knows the stock "
        "--checkpoint by that name; mode generate",
    )
    group.add_argument(
        "--protocol",
        action="append",
        metavar="NAME",
        help=f"units and scale to read: {', '.join(PROTOCOLS)}; or a list of units such as AU1,AU4,AU12. May be repeated: "
        "each face is encoded once for all of them (default: disfa)",
    )
    group.add_argument("--scale", choices=SCALES, help="scale of a list of units (default: occurrence)")
    group.add_argument(
        "--mode",
        choices=MODES,
        help="joint: one value after another, each given those before it. parallel: all at once, fastest. generate: free text, "
        "parsed afterwards, without probabilities (default: joint)",
    )
    group.add_argument(
        "--batch-size", type=positive, default=32, metavar="N", help="faces read together (default: 32)"
    )
    group.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps, or auto (default: %(default)s)")


def _add_output_flags(group) -> None:
    group.add_argument(
        "--out",
        type=named,
        metavar="FILE|DIR",
        help="table with one row per face and frame: FILE.csv, .jsonl or .parquet; or a folder, for one file per input. "
        "FILE.meta.json beside it says what was run and what the columns mean",
    )
    group.add_argument("--format", choices=FORMATS, help="of the files in a folder (default: csv)")
    group.add_argument(
        "--intensities",
        choices=("level", "expected"),
        default="level",
        help="intensities as the likeliest of six levels, or as the expected level between 0 and 5 (default: %(default)s)",
    )
    group.add_argument("--resume", action="store_true", help="continue an interrupted run, even inside a video")
    group.add_argument(
        "--overlay",
        type=path,
        metavar="DIR",
        help="write each image, and each video as MP4, with boxes and bars drawn in",
    )


def _add_series_flags(group) -> None:
    group.add_argument(
        "--smooth",
        type=named,
        metavar="HOW",
        help="median:WINDOW or savgol:WINDOW:DEGREE, such as median:5 or savgol:11:2; an odd window in frames that are read. "
        "Probabilities are not smoothed",
    )
    group.add_argument(
        "--baseline",
        type=named,
        metavar="auto|FILE",
        help="subtract the neutral face from levels and strengths: auto takes the lowest tenth of each face's values, given at "
        "least 10 frames; or an image, video or table of that person's neutral face",
    )
    group.add_argument(
        "--summary",
        type=path,
        metavar="FILE.csv",
        help="for videos: how often, how strongly and how long each unit is active",
    )
    group.add_argument(
        "--blendshapes", type=path, metavar="FILE.csv", help="ARKit's blendshapes for animation; needs protocol feafa"
    )
    group.add_argument(
        "--plot",
        type=path,
        metavar="DIR",
        help="for videos: values over time, a PNG and an interactive page per face",
    )


def _pixels_or_share(text: str) -> int | float:
    """ "48" or "0.2", for the detector to judge."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected pixels such as 48, or a share such as 0.2") from None


def run(args: argparse.Namespace) -> int:
    from aullava.commands.recognize_job import RecognizeRequest

    given = vars(args)
    given |= {name: tuple(given[name] or ()) for name in ("inputs", "pattern", "protocol")}
    return recognize(RecognizeRequest(**given | {"protocol": given["protocol"] or RecognizeRequest.protocol}))


def recognize(request: "RecognizeRequest") -> int:
    """Read the inputs, write what was asked for, show a table.

    Returns:
        0 if every input was read and everything written; else 1, and what failed is named on stderr.

    Raises:
        UsageError: an argument is wrong, or there is no input to read.
    """
    from aullava.commands.recognize_job import Results, prepare
    from aullava.recognition.processes import join

    with join() as shard:
        try:
            job = prepare(request, shard)
            stored = _open(job, shard)
        except (ValueError, RuntimeError, OSError, ImportError) as error:
            raise UsageError(str(error)) from error
        if stored is None:
            return _read_only(job)
        store, work = stored
        with store:
            if not _fill(store, work, job, shard):
                return SOME_FAILED
            try:
                shard.wait()
            except RuntimeError:  # gloo's word for a process that is gone
                say("aullava recognize: another process stopped; the same command with --resume continues")
                return SOME_FAILED
            if not shard.is_first:
                return ALL_READ
            results = Results(job, [*job.inputs.failures, *store.failures()])
            try:
                results.write(store.rows)
            except KeyboardInterrupt:
                say("aullava recognize: stopped; all is read, the same command with --resume writes the rest")
                return SOME_FAILED
            if not results.kept:
                store.delete()
    return _tell(results)


def _open(job: "Job", shard: "Shard") -> "tuple[Store, list] | None":
    """The store and this process's part of the work; None where nothing is written and so nothing kept."""
    from aullava.recognition.processes import open_shared

    if job.place is None:
        if shard.world > 1:
            raise ValueError(
                f"{shard.world} processes and nothing to write: give --out, from which they share the work"
            )
        return None
    is_there = job.place.exists()
    shard.wait()  # none makes the folder before all have looked
    if is_there and not job.request.resume:
        raise ValueError(
            f"{job.place} holds what an interrupted run has read, or one that is under way: add --resume to continue it, or, if no "
            "run is under way, delete that folder"
        )
    return open_shared(shard, job.place, job.items, job.options, job.request.resume)


def _fill(store: "Store", work: list, job: "Job", shard: "Shard") -> bool:
    """Read into the store; whether all of it is there."""
    from aullava.recognition.progress import progress_bar
    from aullava.recognition.store import fill

    try:
        done = store.count() if shard.world == 1 else (0, 0)  # of several processes one shows its own share
        with progress_bar(work, job.settings, shard.is_first, *done) as on_block:
            fill(store, work, job.settings, on_block)
    except KeyboardInterrupt:
        if not store.is_complete:  # else only a webcam was stopped
            say("aullava recognize: stopped; the same command with --resume continues from here")
            return False
    except (OSError, FloatingPointError) as error:
        say(f"aullava recognize: stopped: {error}; the same command with --resume continues from here")
        return False
    return True


def _read_only(job: "Job") -> int:
    """Read for the terminal alone."""
    from aullava.commands.recognize_job import Results
    from aullava.recognition.inputs import Failure
    from aullava.recognition.pipeline import read_items
    from aullava.recognition.progress import progress_bar
    from aullava.recognition.work import START

    results, failures = Results(job, job.inputs.failures), []

    def rows() -> Iterator:
        work = [(unit, START) for unit in job.items]
        with progress_bar(work, job.settings) as on_block:
            for block in read_items(work, job.settings):
                failures.extend(block.failures)
                on_block(block)
                yield from block.rows

    try:
        for _ in results.count(rows()):
            pass
    except KeyboardInterrupt:
        failures.append(Failure("aullava recognize", "stopped before all was read"))
    except (OSError, FloatingPointError) as error:
        failures.append(Failure("aullava recognize", f"stopped: {error}"))
    results.failures += failures
    results.tell_bad_frames()
    return _tell(results)


def _tell(results: "Results") -> int:
    """Show a table, name what failed, and say what was read and written."""
    with suppress(SystemExit):  # rich's answer to a closed pipe, as in `| head`: the rest is told on stderr
        Console().print(results.table())
    for note in (results.job.transform.notes if results.job.transform else [])[:_MOST_NOTES]:
        say(f"note: {printable(note)}")
    for failure in results.failures:
        say(f"failed: {failure}")  # paths may hold what rich takes for markup
    say("; ".join([*results.said(), *results.written]))
    if results.kept:
        say(f"what was read is kept in {results.job.place}: the same command with --resume writes it")
    return SOME_FAILED if results.failures else ALL_READ
