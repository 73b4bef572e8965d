"""`aullava build`: write the rows of a corpus as a folder of Parquet files, or show some of them."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from aullava.commands.errors import UsageError, extra, named, names, path, positive
from aullava.common.files import printable
from aullava.dataset_builder.corpora.registry import READERS
from aullava.dataset_builder.errors import CorpusError
from aullava.detection.framing import AskedFraming

if TYPE_CHECKING:
    from aullava.dataset_builder.publish.build import Build
    from aullava.dataset_builder.publish.folder import OutFolder
    from aullava.dataset_builder.publish.shards import ShardReport

HELP = "write a corpus as Parquet files with images, a card and a manifest"
DESCRIPTION = (
    "Write the rows of a corpus as one Parquet file per subject, with a card and a manifest. The same command resumes an "
    "interrupted build. Exit code 0: all written. 1: some subjects failed; each is named on stderr, the rest is written. 2: bad "
    f"usage, nothing was written. Corpora: {', '.join(READERS)}."
)
ALL_WRITTEN, SOME_FAILED = 0, 1
_TURNS_SHOWN = 3  # of each row of a preview


@dataclass(frozen=True)
class BuildRequest:
    """The arguments of `aullava build`; `add_flags` explains each."""

    corpus: str
    data_dir: str | None = None
    out: Path | None = None
    protocol: str | None = None
    faces: str = "none"
    margin: float | None = None
    size: int | None = None
    encoding: str = "auto"
    no_face: str = "drop"
    subjects: tuple[str, ...] | None = None
    exclude_subjects: tuple[str, ...] = ()
    fold: tuple[str, ...] | None = None
    option: tuple[str, ...] = ()
    num_proc: int = 1
    preview: int = 0
    push: str | None = None
    right: str = ""


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", required=True, metavar="NAME", help="one of those above")
    parser.add_argument(
        "--data-dir",
        type=named,
        metavar="DIR",
        help="folder of the corpus, or file for table; none for procedural and rendered",
    )
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="missing, empty, or an earlier build with the same settings"
    )
    parser.add_argument(
        "--protocol", metavar="NAME", help="units and scale of the values (default: all that is coded)"
    )
    parser.add_argument(
        "--faces",
        type=named,
        default="none",
        metavar="HOW",
        help="none: whole frames. auto or haar: crop the largest face of each, found by OpenCV's cascade. yunet:FILE.onnx or "
        "yunet:ORG/NAME: found by YuNet (default: %(default)s)",
    )
    parser.add_argument(
        "--margin",
        type=float,
        metavar="M",
        help="fraction of the face's side added around a crop, 0 to 4 (default: 0.25; with yunet 0.125)",
    )
    parser.add_argument(
        "--size", type=positive, metavar="N", help="side of a crop in pixels (default: as in the source)"
    )
    parser.add_argument(
        "--encoding", choices=("auto", "jpeg", "png"), default="auto", help="of new images (default: as the source)"
    )
    parser.add_argument(
        "--no-face", choices=("drop", "keep"), default="drop", help="frames without a face (default: %(default)s)"
    )
    parser.add_argument("--subjects", type=names, metavar="A,B", help="only these subjects")
    parser.add_argument("--exclude-subjects", type=names, default=(), metavar="A,B", help="all but these subjects")
    parser.add_argument(
        "--fold",
        action="append",
        metavar="NAME",
        help="fold to offer, such as fold1 or loso:F001; may be repeated (default: all)",
    )
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the corpus; may be repeated"
    )
    parser.add_argument("--num-proc", type=positive, default=1, metavar="N", help="processes (default: %(default)s)")
    parser.add_argument(
        "--preview", type=positive, default=0, metavar="N", help="print the chat turns of N rows, write nothing"
    )
    parser.add_argument(
        "--push", metavar="ORG/NAME", help="upload to this dataset repo of the Hub; private for licensed corpora"
    )
    parser.add_argument(
        "--i-hold-the-right",
        dest="right",
        default="",
        metavar="STATEMENT",
        help="why you may upload a corpus that is given out by request only",
    )


def run(args: argparse.Namespace) -> int:
    fold = tuple(args.fold) if args.fold else None
    return build(BuildRequest(**vars(args) | {"fold": fold, "option": tuple(args.option)}))


def build(request: BuildRequest) -> int:
    """Build what was asked for, or show a preview of it.

    Returns:
        0 if every subject was written; else 1, and what failed is named on stderr.

    Raises:
        UsageError: an argument is wrong, or the corpus or the output folder is not what it should be.
    """
    with extra("corpora"):
        from aullava.dataset_builder.publish.build import sort_shards, write_build
        from aullava.dataset_builder.publish.folder import OutFolder
        from aullava.dataset_builder.publish.shards import plan_shards
        from aullava.dataset_builder.publish.summary import resumed

    with ExitStack() as stack:
        try:
            work = _checked(request)
            if request.preview:
                return _preview(work, request.preview)
            folder = stack.enter_context(OutFolder(request.out, work.job.settings()))
            plans = plan_shards(work.reader, work.subjects)
            finished, tasks, failures = sort_shards(work.reader, folder, plans)
            removed = folder.begin(finished, [plan.name for plan in plans])
        except (CorpusError, ValueError, ImportError) as error:  # ImportError: an extra is not installed
            raise UsageError(str(error)) from error
        for told in resumed(finished, removed, len(plans)):
            print(printable(told), file=sys.stderr)
        reports = write_build(work, folder, plans, finished, tasks, failures)
        if reports is None:
            if request.push:
                print("not uploaded: only a build without failures is", file=sys.stderr)
            return SOME_FAILED
        return _push(work, folder, request.push, reports) if request.push else ALL_WRITTEN


def _checked(request: BuildRequest) -> "Build":
    """Everything that can be wrong is found here, before the first row is read."""
    from aullava.dataset_builder.publish.build import Build
    from aullava.dataset_builder.publish.push import check_right
    from aullava.dataset_builder.publish.request import NO_FACE_CHOICES, make_job
    from aullava.dataset_builder.rows.builder import chosen_subjects, units_asked
    from aullava.dataset_builder.rows.images import ImageOptions
    from aullava.dataset_builder.rows.splits import split_subjects

    if request.no_face not in NO_FACE_CHOICES:
        raise UsageError(f"--no-face {request.no_face}: expected one of {', '.join(NO_FACE_CHOICES)}")
    framing = AskedFraming(request.faces, request.margin, largest=True).over(None)
    pictures = ImageOptions(framing, request.size, request.encoding, embed=True)
    job = make_job(request.corpus, request.data_dir, request.option, request.protocol, pictures, request.no_face)
    reader = job.open()
    units_asked(reader, job.protocol)
    subjects = chosen_subjects(reader, request.subjects)
    left_out = set(chosen_subjects(reader, request.exclude_subjects)) if request.exclude_subjects else set()
    kept = tuple(subject for subject in subjects if subject not in left_out)
    if not kept:
        raise UsageError(f"--exclude-subjects leaves nobody of the {len(subjects)} subjects of {reader.name}")
    work = Build(reader, job, kept, request.out, request.fold, request.num_proc, request.right)
    if request.preview:
        return work
    if request.out is None:
        raise UsageError("--out is missing: name the folder to write, or take --preview 5 to look at some rows first")
    _check_place(request.out, job.places(), reader.title)
    for fold in request.fold or ():
        split_subjects(reader, kept, fold_name=fold)
    if request.push:
        check_right(reader, request.push, request.right)
    elif request.right:
        raise UsageError("--i-hold-the-right only applies to an upload: add --push ORG/NAME, or leave it out")
    return work


def _check_place(given: Path, read: list[str], title: str) -> None:
    """A corpus's folder stays as its owners gave it, and nothing that is read lies where shards are written and removed."""
    out = given.resolve()
    for place in read:
        source = Path(place).expanduser().resolve()
        if source.is_dir() and out.is_relative_to(source):
            raise UsageError(f"--out {given} lies in {place}, a folder of {title}: name a folder outside of it")
        if source.is_relative_to(out):
            raise UsageError(f"--out {given} holds {place}, which is read: name a folder that holds only the rows")


def _preview(work: "Build", count: int) -> int:
    """Print the chat turns of `count` rows: the first usable ones of as many subjects as are needed."""
    from rich.console import Console

    from aullava.dataset_builder.chat.dataset import preview
    from aullava.dataset_builder.chat.formats import ChatMix
    from aullava.dataset_builder.rows.builder import rows_of_subject
    from aullava.dataset_builder.rows.schema import OK

    def some_rows() -> Iterator[dict]:
        of_each = -(-count // len(work.subjects))
        for subject in work.subjects:
            rows = rows_of_subject(work.reader, subject, work.job.pictures, work.job.protocol)
            yield from islice((row for _, row in rows if row["status"] == OK), of_each)

    rows = list(islice(some_rows(), count))
    if not rows:
        print(f"{work.reader.name}: no usable row among the first of every subject", file=sys.stderr)
        return SOME_FAILED
    preview(rows, ChatMix(turns_per_image=_TURNS_SHOWN), Console())
    return ALL_WRITTEN


def _push(work: "Build", folder: "OutFolder", repo: str, reports: "list[ShardReport]") -> int:
    from aullava.common.upload import PushError, PushRefused
    from aullava.dataset_builder.publish.push import push

    try:
        done = push(folder, work.reader, repo, [report.name for report in reports if report.rows])
    except (PushError, PushRefused) as error:
        print(f"built, but not uploaded: {error}", file=sys.stderr)
        return SOME_FAILED
    seen = "private" if done.private else "public"
    print(f'uploaded to {done.url} ({seen}); load exactly this with revision="{done.commit}"', file=sys.stderr)
    return ALL_WRITTEN
