"""The flags of `aullava recognize`, and what they say as one object. Imports neither torch nor the libraries of videos."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from aullava.action_units import PROTOCOLS, SCALES

MODES = ("joint", "parallel", "generate")
FORMATS = ("csv", "jsonl", "parquet")


@dataclass(frozen=True)
class Request:
    """What `aullava recognize` is asked to do; `add_flags` explains each field."""

    inputs: tuple[str, ...]
    pattern: tuple[str, ...] = ()
    every: int | None = None
    fps: float | None = None
    faces: str = "auto"
    largest: bool = False
    min_confidence: float = 0.0
    min_face: float | None = None
    margin: float | None = None
    framing: str | None = None
    checkpoint: str | None = None
    server: str | None = None
    protocol: tuple[str, ...] = ("disfa",)
    scale: str | None = None
    mode: str | None = None
    batch_size: int = 32
    device: str = "auto"
    out: str | None = None
    format: str | None = None
    intensities: str = "level"
    resume: bool = False
    smooth: str | None = None
    baseline: str | None = None
    summary: Path | None = None
    blendshapes: Path | None = None
    plot: Path | None = None
    overlay: Path | None = None


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `aullava recognize`, in the order in which a reader meets their subjects."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="image, video, folder (searched recursively), text file with one path a line, or webcam:0",
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
        help="only files of folders with such a name, as '*.mp4'; may be repeated",
    )
    group.add_argument("--every", type=positive, metavar="N", help="read every N-th frame of videos (default: 1)")
    group.add_argument("--fps", type=float, metavar="X", help="read X frames of each second, instead of --every")


def _add_face_flags(group) -> None:
    group.add_argument(
        "--faces",
        type=named,
        default="auto",
        metavar="HOW",
        help="auto: as the checkpoint was trained. none: every picture is one face, cropped before. haar (the cascade that comes "
        "with OpenCV), yunet:FILE.onnx or yunet:ORG/NAME (YuNet, from its file or its repo on the Hub): find and crop faces with "
        "it, which has to be the checkpoint's detector (default: %(default)s)",
    )
    group.add_argument("--largest", action="store_true", help="only the largest face of a frame")
    group.add_argument(
        "--min-confidence",
        type=float,
        default=0.0,
        metavar="P",
        help="leave out faces the detector is less sure of, 0 to 1",
    )
    group.add_argument(
        "--min-face",
        type=_pixels_or_share,
        metavar="S",
        help="smallest face looked for: its side in pixels, or below 1 as a share of the picture's shorter side; 0.2 is several "
        "times faster than the default, 24 pixels of a picture of at most 1280",
    )
    group.add_argument(
        "--margin",
        type=float,
        metavar="M",
        help="share of a face's side added on each side of its crop, which has to be the checkpoint's",
    )
    group.add_argument(
        "--framing",
        type=named,
        metavar="KEY=VALUE,...",
        help="frame faces otherwise than the checkpoint says: detector=yunet:FILE.onnx,margin=0.25,largest=true or some of "
        "these. Another detector brings its own margin (haar 0.25, yunet 0.125)",
    )


def _add_model_flags(group) -> None:
    group.add_argument(
        "--checkpoint", type=named, metavar="DIR|HUB_ID", help="default: the checkpoint that comes with the package"
    )
    group.add_argument(
        "--server",
        type=named,
        metavar="URL",
        help="ask a server that speaks OpenAI's API, as http://localhost:8000/v1, and knows the stock --checkpoint by that name; "
        "mode generate",
    )
    group.add_argument(
        "--protocol",
        action="append",
        metavar="NAME",
        help=f"units and scale to read: {', '.join(PROTOCOLS)}; or units such as AU1,AU4,AU12. May be repeated: all are read off "
        "one look at a face (default: disfa)",
    )
    group.add_argument("--scale", choices=SCALES, help="scale of a list of units (default: occurrence)")
    group.add_argument(
        "--mode",
        choices=MODES,
        help="joint: value by value, each sees the ones before. parallel: all at once, fastest. generate: free text, then "
        "parsed, without probabilities (default: joint)",
    )
    group.add_argument("--batch-size", type=positive, default=32, metavar="N", help="faces read at once (default: 32)")
    group.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps, or auto (default: %(default)s)")


def _add_output_flags(group) -> None:
    group.add_argument(
        "--out",
        type=named,
        metavar="FILE|DIR",
        help="table with one row a face and frame: FILE.csv, .jsonl or .parquet; or a folder for one file an input. What was run "
        "and what the columns mean goes into FILE.meta.json beside it",
    )
    group.add_argument("--format", choices=FORMATS, help="of the files in a folder (default: csv)")
    group.add_argument(
        "--intensities",
        choices=("level", "expected"),
        default="level",
        help="intensities as the likeliest of six levels, or as the expected level between 0 and 5 (default: %(default)s)",
    )
    group.add_argument(
        "--resume", action="store_true", help="go on with a run that was interrupted, also inside a video"
    )
    group.add_argument(
        "--overlay", type=_path, metavar="DIR", help="write each picture, and each video as MP4, with boxes and bars"
    )


def _add_series_flags(group) -> None:
    group.add_argument(
        "--smooth",
        type=named,
        metavar="HOW",
        help="median:5 or savgol:11:2: window in frames that were read, odd, and degree; probabilities "
        "stay as they were read",
    )
    group.add_argument(
        "--baseline",
        type=named,
        metavar="auto|FILE",
        help="subtract the face at rest from levels and strengths: auto takes the lowest tenth of each face's values, of 10 frames "
        "at least; or a picture, video or table of that person at rest",
    )
    group.add_argument(
        "--summary",
        type=_path,
        metavar="FILE.csv",
        help="of videos: how often, how strongly and how long each unit acts",
    )
    group.add_argument(
        "--blendshapes", type=_path, metavar="FILE.csv", help="ARKit's names for animation, from protocol feafa"
    )
    group.add_argument(
        "--plot",
        type=_path,
        metavar="DIR",
        help="of videos: values over time, a PNG and an interactive page for each face",
    )


def request_from(args: argparse.Namespace) -> Request:
    """The parsed flags as a request."""
    given = {name: value for name, value in vars(args).items() if name != "run"}
    given |= {name: tuple(given[name] or ()) for name in ("inputs", "pattern", "protocol")}
    return Request(**given | {"protocol": given["protocol"] or Request.protocol})


def _pixels_or_share(text: str) -> int | float:
    """ "48" or "0.2", for the detector to judge."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected pixels such as 48, or a share such as 0.2") from None


def named(text: str) -> str:
    """A name that is one: that of a shell variable that is not set would be empty, and mean the current folder or the default."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def _path(text: str) -> Path:
    return Path(named(text))


def positive(text: str) -> int:
    """A whole number of 1 or more, from a flag."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return int(text)
