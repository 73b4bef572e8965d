"""`aullava release`: write the model folder of a checkpoint, and upload it."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from aullava.commands import space
from aullava.commands.errors import UsageError, say

HELP = "write the Hub folder of a checkpoint: weights, code, card, licence; upload it"
DESCRIPTION = (
    "Write the model folder of a checkpoint after checking it: all weights are there and finite, no text holds a secret or a path "
    "of this machine, the terms of its data are known. Exit code 0: done. 1: written, but not uploaded. 2: bad usage or a "
    "checkpoint that must not go out; nothing was written."
)
DONE, NOT_UPLOADED = 0, 1


@dataclass(frozen=True)
class ReleaseRequest:
    """The arguments of `aullava release`; `add_flags` explains each."""

    out_dir: Path
    checkpoint: Path
    base: str | None = None
    evaluation: tuple[Path, ...] = ()
    benchmark: tuple[tuple[str, str, str], ...] = ()
    max_shard_size: str = "5GB"
    push: str | None = None
    public: bool = False
    revision: str | None = None
    right: str = ""


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "out_dir", type=Path, nargs="?", metavar="OUT_DIR", help="missing, empty, or an earlier release"
    )
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="whole, or adapters, which are merged")
    parser.add_argument(
        "--base", metavar="DIR|HUB_ID", help="base model of adapters, if it is no longer where they say"
    )
    parser.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE.json",
        help="reports of aullava evaluate on this checkpoint, whose figures go into the card",
    )
    parser.add_argument(
        "--benchmark",
        nargs=3,
        action="append",
        default=[],
        metavar=("ORG/NAME", "TASK", "FIGURE"),
        help="put a mean of a report into .eval_results: benchmark dataset on the Hub (or ORG/NAME@COMMIT), task of its eval.yaml, "
        "figure such as present.f1_undetermined_wrong; may be repeated",
    )
    parser.add_argument(
        "--max-shard-size", default="5GB", metavar="SIZE", help="largest file of weights (default: %(default)s)"
    )
    parser.add_argument("--push", metavar="ORG/NAME", help="upload to this model repo of the Hub, in one commit")
    parser.add_argument("--public", action="store_true", help="make the repo public (default: private)")
    parser.add_argument("--revision", metavar="BRANCH", help="upload to this branch (default: main)")
    parser.add_argument(
        "--i-hold-the-right",
        dest="right",
        default="",
        metavar="STATEMENT",
        help="why you may publish these weights; needed with --public if data was given out by request",
    )
    # Of 0.1; `aullava space` has taken their place.
    parser.add_argument("--space", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--space-repo", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    given = vars(args)
    folder, repo = given.pop("space"), given.pop("space_repo")
    if folder:
        return _write_space(folder, repo, given)
    if repo:
        raise UsageError(
            "--space-repo belongs to aullava space: run aullava space FOLDER --repo ORG/NAME, or leave it out"
        )
    if args.out_dir is None or args.checkpoint is None:
        raise UsageError("give OUT_DIR and --checkpoint; the folder of a Space is written by aullava space FOLDER")
    return release(ReleaseRequest(**given))


def _write_space(folder: Path, repo: str | None, given: dict) -> int:
    """What --space did in 0.1."""
    if any(value for name, value in given.items() if name != "max_shard_size"):
        raise UsageError("--space writes a Space and no checkpoint: leave out all but --space-repo")
    now = f"aullava space {folder}{f' --repo {repo}' if repo else ''}"
    say(f"warning: aullava release --space will be removed in the next version: use {now}")
    return space.write(folder, repo)


def release(request: ReleaseRequest) -> int:
    """Write the model folder of a checkpoint, and upload it if that was asked for.

    Returns:
        0; or 1 if the folder was written and the upload failed or was refused; stderr says why.

    Raises:
        UsageError: an argument is wrong, or the checkpoint must not go out.
    """
    from safetensors import SafetensorError

    from aullava.hub.assemble import write_release

    try:
        _check_arguments(request)
        folder = write_release(
            request.checkpoint,
            request.out_dir,
            base=request.base,
            evaluation=request.evaluation,
            benchmark=request.benchmark,
            max_shard_size=request.max_shard_size,
            repo=request.push,
            public=request.public,
            right=request.right,
        )
    except (ValueError, OSError, ImportError, SafetensorError) as error:  # ImportError: the extra that merges adapters
        raise UsageError(str(error)) from error
    _tell(request, folder)
    return _push(request, folder) if request.push else DONE


def _check_arguments(request: ReleaseRequest) -> None:
    from aullava.common.upload import check_name
    from aullava.hub.merge import is_adapters
    from aullava.hub.shards import check_size

    check_size(request.max_shard_size)
    for flag, given in (("--push", request.push), ("--revision", request.revision), ("--base", request.base)):
        if given == "":
            raise ValueError(f"{flag} is empty, perhaps a variable that is not set: name one, or leave it out")
    if request.push:
        check_name(request.push)
    for flag, given in (
        ("--public", request.public),
        ("--revision", request.revision),
        ("--i-hold-the-right", request.right),
    ):
        if given and not request.push:
            raise ValueError(f"{flag} only applies to an upload: add --push ORG/NAME, or leave it out")
    if request.benchmark and not request.evaluation:
        raise ValueError(
            "--benchmark says which dataset a figure is about: add --evaluation FILE.json, or leave it out"
        )
    if request.base and not is_adapters(request.checkpoint):
        raise ValueError(f"--base {request.base}: {request.checkpoint} holds no adapters, so no base is needed")


def _tell(request: ReleaseRequest, folder: Path) -> None:
    """What is there, what is not, and what was left behind."""
    from aullava.checkpoint.layout import CHANGELOG, RESULTS, left_files
    from aullava.hub.merge import is_adapters

    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    print(f"{folder}: {', '.join(sorted(files))}")
    if not is_adapters(request.checkpoint) and (left := left_files(request.checkpoint)):
        print(f"left behind in {request.checkpoint}: {', '.join(left)}")
    if request.evaluation and not request.benchmark:
        print(
            f"no {RESULTS}: it is for benchmark datasets on the Hub, and --benchmark names none; the card has the figures"
        )
    if CHANGELOG not in files:
        print(f"no {CHANGELOG}: the checkpoint has none, so nothing says what changed since an earlier release")


def _push(request: ReleaseRequest, folder: Path) -> int:
    from aullava.checkpoint.layout import is_release_file
    from aullava.common.upload import PushError, PushRefused
    from aullava.hub.push import push

    try:
        done = push(folder, request.push, is_release_file, request.public, request.revision, request.right)
    except (PushError, PushRefused) as error:
        print(f"written, but not uploaded: {error}", file=sys.stderr)
        return NOT_UPLOADED
    seen = "private" if done.private else "public"
    print(f'uploaded: {done.url} ({seen}); load exactly this with revision="{done.commit}"')
    return DONE
