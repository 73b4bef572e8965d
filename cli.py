"""The command `aullava`, also `python -m aullava.cli`. Each verb parses its flags and calls its module.

Modules that need torch are imported inside the verbs, so that help and usage errors come at once.
"""

import argparse
import io
import sys
from pathlib import Path

from aullava.action_units import SCALES
from aullava.commands import calibrate
from aullava.commands.recognize_flags import add_flags, named, positive, request_from
from aullava.common.versions import package_version
from aullava.dataset_builder.corpora.registry import READERS

BAD_USAGE = 2


def main(argv: list[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0: all read or written. 1: some inputs, answers or outputs failed. 2: bad usage; nothing was written.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: no file name may end a run
    parser = _parser()
    args = parser.parse_args(argv)
    return args.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aullava", description="Facial action units from pictures of faces.")
    parser.add_argument("--version", action="version", version=package_version())
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_recognize(verbs)
    _add_release(verbs)
    _add_faces(verbs)
    _add_build(verbs)
    _add_calibrate(verbs)
    _add_evaluate(verbs)
    return parser


def _add_recognize(verbs) -> None:
    verb = verbs.add_parser(
        "recognize",
        help="read action units from images, videos, folders and webcams",
        description="Read the action units of every face: one row a face and frame. Exit code 0: all read. 1: some inputs, "
        "answers or outputs failed; each is named on stderr, the rest is written. 2: bad usage. Under torchrun or accelerate "
        "launch the inputs are shared out over processes, and the table is the same.",
    )
    add_flags(verb)
    verb.set_defaults(run=_recognize)


def _recognize(args: argparse.Namespace) -> int:
    from aullava.commands.recognize import UsageError, recognize

    try:
        return recognize(request_from(args))
    except UsageError as error:
        return _bad_usage("recognize", error)
    except KeyboardInterrupt:  # before reading or after it; in between it is told there
        print("aullava recognize: interrupted", file=sys.stderr)
        return 1


def _add_release(verbs) -> None:
    verb = verbs.add_parser(
        "release",
        help="write the Hub folder of a checkpoint: weights, code, card, licence; upload it",
        description="Write the model folder of a checkpoint, after it was checked: all weights there and finite, no secret and no "
        "place of this machine in a text, the terms of its data known. Exit code 0: done. 1: written, but not uploaded. "
        "2: bad usage or a checkpoint that must not go out; nothing was written.",
    )
    verb.add_argument("out_dir", type=Path, nargs="?", metavar="OUT_DIR", help="missing, empty, or an earlier release")
    verb.add_argument("--checkpoint", type=Path, metavar="DIR", help="whole, or adapters, which are merged")
    verb.add_argument(
        "--base", metavar="DIR|HUB_ID", help="what adapters go onto, where it is no longer where they say"
    )
    verb.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE.json",
        help="reports of aullava evaluate on this checkpoint, whose figures go into the card",
    )
    verb.add_argument(
        "--benchmark",
        nargs=3,
        action="append",
        default=[],
        metavar=("ORG/NAME", "TASK", "FIGURE"),
        help="put a mean of a report into .eval_results: benchmark dataset on the Hub (or ORG/NAME@COMMIT), task of its eval.yaml, "
        "figure such as present.f1_undetermined_wrong; may be repeated",
    )
    verb.add_argument(
        "--max-shard-size", default="5GB", metavar="SIZE", help="of a file of weights (default: %(default)s)"
    )
    verb.add_argument("--push", metavar="ORG/NAME", help="upload to this model repo of the Hub, in one commit")
    verb.add_argument("--public", action="store_true", help="let everybody see it; without, the repo is private")
    verb.add_argument("--revision", metavar="BRANCH", help="upload to this branch (default: main)")
    verb.add_argument(
        "--i-hold-the-right",
        dest="right",
        default="",
        metavar="STATEMENT",
        help="why you may give these weights to everybody; for --public where the data was given out by request",
    )
    verb.add_argument(
        "--space",
        type=Path,
        metavar="FOLDER",
        help="write the folder of a Hugging Face Space, and no checkpoint: program, page, requirements, this project's wheel",
    )
    verb.add_argument(
        "--space-repo",
        metavar="ORG/NAME",
        help="the Space that the folder will be uploaded to, where its wheel will lie",
    )
    verb.set_defaults(run=_release)


def _release(args: argparse.Namespace) -> int:
    given = {name: value for name, value in vars(args).items() if name not in ("run", "space", "space_repo")}
    if args.space:
        return _release_space(args)
    if args.space_repo:
        return _bad_usage(
            "release", ValueError("--space-repo is said of a Space: add --space FOLDER, or leave it out")
        )
    if args.out_dir is None or args.checkpoint is None:
        return _bad_usage("release", ValueError("give OUT_DIR and --checkpoint, or --space FOLDER"))
    from aullava.commands.release import Request, UsageError, release

    try:
        return release(Request(**given))
    except UsageError as error:
        return _bad_usage("release", error)


def _release_space(args: argparse.Namespace) -> int:
    from aullava.space.folder import write_space

    try:
        said = (args.out_dir, args.checkpoint, args.base, args.evaluation, args.benchmark, args.push, args.public)
        if any((*said, args.revision, args.right)):
            raise ValueError("--space writes a Space and no checkpoint: leave out all but --space-repo")
        print(*write_space(args.space, args.space_repo), sep="\n")
    except (ValueError, OSError) as error:
        return _bad_usage("release", error)
    return 0


def _add_faces(verbs) -> None:
    verb = verbs.add_parser("faces", help="draw faces whose action units are known")
    verb.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="new folder for the pictures and labels.csv")
    verb.add_argument(
        "--style",
        choices=("drawn", "rendered"),
        default="drawn",
        help="drawn: flat drawings. rendered: heads in three dimensions; needs the extra heads (default: drawn)",
    )
    verb.add_argument(
        "--assets",
        type=Path,
        metavar="DIR",
        help="MakeHuman's CC0 assets for rendered faces: skins, hair, brows, eyes",
    )
    verb.add_argument("--count", type=positive, metavar="N", help="number of faces (default: 24; in a film 2)")
    verb.add_argument("--seed", type=int, metavar="S", help="the same seed, the same faces (default: 0)")
    verb.add_argument("--sheet", action="store_true", help="write labelled contact sheets instead of single faces")
    verb.add_argument(
        "--film", action="store_true", help="write film.mp4, faces that move and act by a script, and labels.csv"
    )
    verb.add_argument("--seconds", type=float, metavar="T", help="length of the film (default: 20)")
    verb.add_argument("--rate", type=float, metavar="FPS", help="frames a second of the film (default: 10)")
    verb.set_defaults(run=_faces)


def _faces(args: argparse.Namespace) -> int:
    given = {name: getattr(args, name) for name in ("count", "seed", "seconds", "rate")}
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        written = _draw(args, chosen)
    except (ValueError, OSError, ImportError) as error:
        return _bad_usage("faces", error)
    print(*written, sep="\n")
    return 0


def _draw(args: argparse.Namespace, chosen: dict) -> list[Path]:
    """Write sheets, a film or single faces; a flag that means nothing to what is drawn is refused."""
    kind = "sheet" if args.sheet else "film" if args.film else "faces"
    if args.sheet and args.film:
        raise ValueError("--sheet and --film: give one of them")
    meant = {"sheet": (), "film": ("count", "seed", "seconds", "rate"), "faces": ("count", "seed")}[kind]
    if foreign := [f"--{name}" for name in chosen if name not in meant]:
        raise ValueError(
            f"{' and '.join(foreign)}: {'the sheets are always the same' if args.sheet else 'goes with --film'}; leave it out"
        )
    if args.assets and args.style == "drawn":
        raise ValueError("--assets: goes with --style rendered; leave it out")
    if args.style == "rendered":
        from aullava.dataset_builder.synthetic.rendered.assets import load_library
        from aullava.dataset_builder.synthetic.rendered.film import write_film
        from aullava.dataset_builder.synthetic.rendered.sheets import write_faces, write_sheets

        chosen["library"] = load_library(args.assets)
    else:
        from aullava.dataset_builder.synthetic.drawn.film import write_film
        from aullava.dataset_builder.synthetic.drawn.sheets import write_faces, write_sheets
    if args.film:
        people = {"people": chosen.pop("count")} if "count" in chosen else {}
        return write_film(args.out_dir, **chosen, **people)
    return write_sheets(args.out_dir, **chosen) if args.sheet else [write_faces(args.out_dir, **chosen)]


def _add_build(verbs) -> None:
    verb = verbs.add_parser(
        "build",
        help="write a corpus as Parquet files with pictures, a card and a manifest",
        description="Write the rows of a corpus as one Parquet file a subject, with a card and a manifest. The same command "
        "goes on where it was interrupted. Exit code 0: all written. 1: some subjects failed; each is named on stderr, the rest "
        f"is written. 2: bad usage, nothing was written. Corpora: {', '.join(READERS)}.",
    )
    verb.add_argument("--corpus", required=True, metavar="NAME", help="one of those above")
    verb.add_argument(
        "--data-dir", type=named, metavar="DIR", help="its folder; for table also a file; nothing for procedural"
    )
    verb.add_argument(
        "--out", type=_folder, metavar="DIR", help="missing, empty, or an earlier build with the same settings"
    )
    verb.add_argument("--protocol", metavar="NAME", help="units and scale of the values (default: all that is coded)")
    verb.add_argument(
        "--faces",
        type=named,
        default="none",
        metavar="HOW",
        help="none: whole frames. auto or haar: crop the largest face of each, found by OpenCV's cascade. yunet:FILE.onnx or "
        "yunet:ORG/NAME: found by YuNet (default: %(default)s)",
    )
    verb.add_argument(
        "--margin",
        type=float,
        metavar="M",
        help="share of the face's side added around a crop, 0 to 4 (default: 0.25; with yunet 0.125)",
    )
    verb.add_argument(
        "--size", type=positive, metavar="N", help="side of a crop in pixels (default: as in the source)"
    )
    verb.add_argument(
        "--encoding", choices=("auto", "jpeg", "png"), default="auto", help="of new pictures (default: by the source)"
    )
    verb.add_argument(
        "--no-face", choices=("drop", "keep"), default="drop", help="frames without a face (default: %(default)s)"
    )
    verb.add_argument("--subjects", type=_names, metavar="A,B", help="only these people")
    verb.add_argument("--exclude-subjects", type=_names, default=(), metavar="A,B", help="all but these people")
    verb.add_argument(
        "--fold",
        action="append",
        metavar="NAME",
        help="fold to offer, such as fold1 or loso:F001; may be repeated (default: all)",
    )
    verb.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the corpus; may be repeated"
    )
    verb.add_argument("--num-proc", type=positive, default=1, metavar="N", help="processes (default: %(default)s)")
    verb.add_argument(
        "--preview", type=positive, default=0, metavar="N", help="print the chat turns of N rows, write nothing"
    )
    verb.add_argument(
        "--push", metavar="ORG/NAME", help="upload to this dataset repo of the Hub; private for licensed corpora"
    )
    verb.add_argument(
        "--i-hold-the-right",
        default="",
        metavar="STATEMENT",
        help="why you may upload a corpus that is given out by request",
    )
    verb.set_defaults(run=_build)


def _build(args: argparse.Namespace) -> int:
    try:
        return _run_build(args)
    except KeyboardInterrupt:  # before the first shard; later ones are told of where they happen
        print("aullava build: interrupted", file=sys.stderr)
        return 1


def _run_build(args: argparse.Namespace) -> int:
    try:
        from aullava.commands.build import Request, UsageError, build
    except ModuleNotFoundError as error:
        if error.name not in ("datasets", "pyarrow"):
            raise
        return _bad_usage("build", ValueError(f"needs {error.name}: pip install 'au-llava[corpora]'"))
    given = {name: value for name, value in vars(args).items() if name != "run" and value is not None}
    given |= {"right": given.pop("i_hold_the_right"), "options": tuple(given.pop("option"))}
    if "fold" in given:
        given["folds"] = tuple(given.pop("fold"))
    try:
        return build(Request(**given))
    except UsageError as error:
        return _bad_usage("build", error)


def _add_calibrate(verbs) -> None:
    verb = verbs.add_parser(
        "calibrate",
        help="fit temperatures and thresholds on validation people, into a copy of a checkpoint",
        description="Read validation people, never those that a fold tests, and write a copy of the checkpoint that holds a "
        "temperature for each scale and a threshold for each unit of protocols of occurrence. Exit code 0: written. 2: bad "
        "usage; nothing was written.",
    )
    calibrate.add_flags(verb)
    verb.set_defaults(run=_calibrate)


def _calibrate(args: argparse.Namespace) -> int:
    try:
        return calibrate.calibrate(calibrate.request_from(args))
    except ModuleNotFoundError as error:
        if error.name not in ("datasets", "pyarrow"):
            raise
        return _bad_usage("calibrate", ValueError(f"needs {error.name}: pip install 'au-llava[evaluation]'"))
    except calibrate.UsageError as error:
        return _bad_usage("calibrate", error)
    except KeyboardInterrupt:
        print("aullava calibrate: interrupted; nothing was written", file=sys.stderr)
        return 1


def _add_evaluate(verbs) -> None:
    verb = verbs.add_parser(
        "evaluate",
        help="score a checkpoint on a corpus: tables, intervals over people, baselines, plots",
        description="Read the people that a fold or split tests, score the readings, write FILE.json, FILE.md and FILE_plots/. "
        "FILE_store/ keeps the readings: the same command goes on where it was interrupted. Exit code 0: all read and written. 1: "
        "some pictures or outputs failed; each is named on stderr. 2: bad usage.",
    )
    verb.add_argument(
        "--checkpoint", metavar="DIR|HUB_ID", help="{fold} in it stands for the fold (default: the embedded one)"
    )
    verb.add_argument(
        "--corpus", required=True, choices=tuple(READERS), metavar="NAME", help=f"one of {', '.join(READERS)}"
    )
    verb.add_argument("--data-dir", type=named, metavar="DIR", help="its folder; nothing for procedural")
    verb.add_argument(
        "--out", type=_folder, required=True, metavar="FILE.json", help="report; its neighbours are named after it"
    )
    verb.add_argument(
        "--folds",
        "--fold",
        type=_names,
        default=(),
        metavar="A,B",
        help="such as fold1, loso:F001, or all: every standard fold",
    )
    verb.add_argument(
        "--split",
        choices=("train", "validation", "test", "all"),
        default="test",
        help="whose rows; all: every usable row, for a checkpoint that never saw the corpus (default: %(default)s)",
    )
    verb.add_argument("--protocol", metavar="NAME", help="units and scale (default: what papers on the corpus report)")
    verb.add_argument("--scale", choices=SCALES, help="scale of a list of units (default: occurrence)")
    verb.add_argument(
        "--mode", choices=("joint", "parallel", "generate"), default="joint", help="default: %(default)s"
    )
    verb.add_argument(
        "--faces",
        type=named,
        default="auto",
        metavar="HOW",
        help="auto: crop the largest face of each frame as the checkpoint was trained; drawn faces stay whole. none: whole frames. "
        "haar, yunet:FILE.onnx, yunet:ORG/NAME: the checkpoint's detector by name (default: %(default)s)",
    )
    verb.add_argument(
        "--framing",
        type=named,
        metavar="KEY=VALUE,...",
        help="crop otherwise than the checkpoint was trained, on purpose, as in `recognize`",
    )
    verb.add_argument("--limit", type=positive, metavar="N", help="at most N rows, evenly spread")
    verb.add_argument(
        "--group-by",
        type=_names,
        default=(),
        metavar="LABEL",
        help="F1 by group and the gap, such as skin_tone of drawn faces",
    )
    verb.add_argument(
        "--calibrate",
        action="store_true",
        help=argparse.SUPPRESS,  # of 0.1; told below what has taken its place
    )
    verb.add_argument(
        "--corrupt", type=positive, default=0, metavar="N", help="spoil N rows in eight ways at five strengths"
    )
    verb.add_argument(
        "--checks", type=_count, default=64, metavar="N", help="rows for the checks; 0: none (default: %(default)s)"
    )
    verb.add_argument(
        "--draws", type=positive, default=1000, metavar="N", help="of people, for intervals (default: %(default)s)"
    )
    verb.add_argument(
        "--batch-size", type=positive, default=32, metavar="N", help="pictures read at once (default: 32)"
    )
    verb.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps, or auto (default: %(default)s)")
    verb.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="of the corpus; may be repeated"
    )
    verb.set_defaults(run=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    if args.calibrate:
        return _bad_usage(
            "evaluate",
            ValueError(
                "--calibrate: figures are those of a checkpoint as it is. Run `aullava calibrate --checkpoint DIR --out NEW_DIR` "
                "first, and evaluate --checkpoint NEW_DIR"
            ),
        )
    try:
        from aullava.commands.evaluate import Request, UsageError, evaluate
    except ModuleNotFoundError as error:
        if error.name not in ("datasets", "pyarrow"):
            raise
        return _bad_usage("evaluate", ValueError(f"needs {error.name}: pip install 'au-llava[evaluation]'"))
    given = {name: value for name, value in vars(args).items() if name not in ("run", "option", "calibrate")}
    try:
        return evaluate(Request(**given, options=tuple(args.option)))
    except UsageError as error:
        return _bad_usage("evaluate", error)
    except KeyboardInterrupt:
        print("aullava evaluate: interrupted; the same command goes on from here", file=sys.stderr)
        return 1


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r}: expected ids separated by commas")
    return names


def _folder(text: str) -> Path:
    return Path(named(text)).expanduser()


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _bad_usage(verb: str, error: Exception) -> int:
    print(f"aullava {verb}: error: {error}", file=sys.stderr)
    return BAD_USAGE


if __name__ == "__main__":
    sys.exit(main())
