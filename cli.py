"""The command `aullava`, also `python -m aullava.cli`. Each verb parses its flags and calls its module.

Modules that need torch are imported inside the verbs, so that help and usage errors come at once.
"""

import argparse
import io
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aullava.action_units import PROTOCOLS, SCALES

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
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_recognize(verbs)
    _add_release(verbs)
    _add_faces(verbs)
    return parser


def _version() -> str:
    try:
        return version("au-llava")
    except PackageNotFoundError:  # run from a copy that was never installed
        return "unknown"


def _add_recognize(verbs) -> None:
    verb = verbs.add_parser(
        "recognize",
        help="read action units from images and folders of images",
        description="Read the action units of every face. Exit code 0: all read. 1: some inputs, answers or outputs "
        "failed; each is named on stderr, the rest is written. 2: bad usage.",
    )
    verb.add_argument("inputs", nargs="+", metavar="INPUT", help="image file, or folder (searched recursively)")
    verb.add_argument("--checkpoint", metavar="DIR|HUB_ID", help="default: the checkpoint that comes with the package")
    verb.add_argument(
        "--protocol",
        default="disfa",
        metavar="NAME",
        help=f"units and scale to read: {', '.join(PROTOCOLS)}; or units such as AU1,AU4,AU12 (default: %(default)s)",
    )
    verb.add_argument("--scale", choices=SCALES, help="scale of a list of units (default: occurrence)")
    verb.add_argument(
        "--mode",
        choices=("joint", "generate"),
        default="joint",
        help="joint: value by value, each sees the ones before, with probabilities. generate: free text, then parsed "
        "(default: %(default)s)",
    )
    verb.add_argument("--out", type=Path, metavar="FILE", help="write the rows to FILE.csv or FILE.jsonl")
    verb.add_argument(
        "--faces",
        choices=("auto", "none"),
        default="auto",
        help="auto: find and crop faces. none: every image is one face, cropped before (default: %(default)s)",
    )
    verb.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="faces read at once (default: 32)")
    verb.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps, or auto (default: %(default)s)")
    verb.add_argument("--overlay", type=Path, metavar="DIR", help="write a picture with boxes and bars for each image")
    verb.set_defaults(run=_recognize)


def _recognize(args: argparse.Namespace) -> int:
    from aullava.recognition.command import Request, UsageError, recognize

    given = {name: value for name, value in vars(args).items() if name not in ("run", "inputs")}
    try:
        return recognize(Request(tuple(args.inputs), **given))
    except UsageError as error:
        return _bad_usage("recognize", error)


def _add_release(verbs) -> None:
    verb = verbs.add_parser("release", help="write the Hub folder of a checkpoint: weights, code, card, licence")
    verb.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="missing, empty, or an earlier release")
    verb.add_argument("--checkpoint", type=Path, metavar="DIR", required=True, help="folder to release")
    verb.set_defaults(run=_release)


def _release(args: argparse.Namespace) -> int:
    from aullava.release import assemble, left_files

    try:
        folder = assemble(args.checkpoint, args.out_dir)
    except (ValueError, OSError) as error:
        return _bad_usage("release", error)
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    left = left_files(args.checkpoint)
    if left:
        print(f"left behind in {args.checkpoint}: {', '.join(left)}")
    return 0


def _add_faces(verbs) -> None:
    verb = verbs.add_parser("faces", help="draw faces whose action units are known")
    verb.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="new folder for the pictures and labels.csv")
    verb.add_argument("--count", type=_positive, metavar="N", help="number of faces (default: 24)")
    verb.add_argument("--seed", type=int, metavar="S", help="the same seed, the same faces (default: 0)")
    verb.add_argument("--sheet", action="store_true", help="write labelled contact sheets instead of single faces")
    verb.set_defaults(run=_faces)


def _faces(args: argparse.Namespace) -> int:
    from aullava.dataset_builder.corpora.procedural.sheets import write_faces, write_sheets

    chosen = {name: value for name in ("count", "seed") if (value := getattr(args, name)) is not None}
    try:
        if args.sheet and chosen:
            raise ValueError(f"--sheet always writes the same sheets: leave out --{' and --'.join(chosen)}")
        written = write_sheets(args.out_dir) if args.sheet else [write_faces(args.out_dir, **chosen)]
    except (ValueError, OSError) as error:
        return _bad_usage("faces", error)
    print(*written, sep="\n")
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: expected 1 or more")
    return number


def _bad_usage(verb: str, error: Exception) -> int:
    print(f"aullava {verb}: error: {error}", file=sys.stderr)
    return BAD_USAGE


if __name__ == "__main__":
    sys.exit(main())
