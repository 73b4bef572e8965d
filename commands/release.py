"""`aullava release`: from command line arguments to a model folder, its upload, and an exit code."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from safetensors import SafetensorError

from aullava.checkpoint.layout import (
    CHANGELOG,
    EXAMPLE,
    RESULTS,
    assemble,
    check_complete,
    check_links,
    is_release_file,
    left_files,
    taken_files,
    weight_files,
)
from aullava.checkpoint.model_card import plain_card
from aullava.checkpoint.weights import check_weights
from aullava.common.upload import PushError, PushRefused, check_name
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.hub.merge import is_adapters, merge
from aullava.hub.push import push
from aullava.hub.results import card_with, leaderboard_file, read_report
from aullava.hub.secrets import check_text, check_texts
from aullava.hub.shards import MAX_SHARD_SIZE, check_size, split_weights
from aullava.hub.terms import check_terms

DONE, NOT_UPLOADED = 0, 1
_DRAWN = 7  # which face goes out as an example: it smiles and raises its inner brows


class UsageError(ValueError):
    """What was asked for cannot be done; nothing was written."""


@dataclass(frozen=True)
class Request:
    """The arguments of `aullava release`; `cli.py` explains each."""

    out_dir: Path
    checkpoint: Path
    base: str | None = None
    evaluation: tuple[Path, ...] = ()
    benchmark: tuple[tuple[str, str, str], ...] = ()
    max_shard_size: str = MAX_SHARD_SIZE
    push: str | None = None
    public: bool = False
    revision: str | None = None
    right: str = ""


def release(request: Request) -> int:
    """Write the model folder of a checkpoint, and upload it if that was asked for.

    Returns:
        0; or 1 where the folder is written and the upload failed or was refused, which is told on stderr.

    Raises:
        UsageError: an argument is wrong, or the checkpoint must not go out.
    """
    try:
        _check_arguments(request)
        with tempfile.TemporaryDirectory(prefix="aullava-") as scratch:
            folder = _write(request, Path(scratch))
    except (ValueError, OSError, ImportError, SafetensorError) as error:  # ImportError: the extra that merges adapters
        raise UsageError(str(error)) from error
    _tell(request, folder)
    return _push(request, folder) if request.push else DONE


def _tell(request: Request, folder: Path) -> None:
    """What is there, what is not, and what was left behind."""
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


def _check_arguments(request: Request) -> None:
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
            raise ValueError(f"{flag} is said of an upload: add --push ORG/NAME, or leave it out")
    if request.benchmark and not request.evaluation:
        raise ValueError(
            "--benchmark says which dataset a figure is about: add --evaluation FILE.json, or leave it out"
        )
    if request.base and not is_adapters(request.checkpoint):
        raise ValueError(f"--base {request.base}: {request.checkpoint} holds no adapters that would need it")


def _write(request: Request, scratch: Path) -> Path:
    """The folder, after every check of what would be in it."""
    checkpoint = request.checkpoint
    check_terms(checkpoint, request.public, request.right, request.base)
    if is_adapters(checkpoint):
        check_links(checkpoint)  # merging copies what they lead to
        checkpoint = merge(
            checkpoint, scratch / "merged" / checkpoint.name, request.base, request.out_dir.resolve().name
        )
    check_complete(checkpoint)
    check_texts(checkpoint, taken_files(checkpoint))
    check_weights(checkpoint, weight_files(checkpoint))
    records = [read_report(path, checkpoint) for path in request.evaluation]
    results = leaderboard_file(records, request.benchmark) if request.benchmark else ""
    card = _card(checkpoint, request.out_dir.resolve().name, records)

    def finish(staged: Path) -> None:
        split_weights(staged, request.max_shard_size)
        Image.fromarray(sample_face("test", _DRAWN).image_HWC).save(staged / EXAMPLE)
        if records:
            _write_results(staged / RESULTS, results)

    return assemble(checkpoint, request.out_dir, request.push, card, finish)


def _card(checkpoint: Path, name: str, records: list) -> bytes:
    own = checkpoint / "README.md"
    card = own.read_bytes() if own.is_file() else plain_card(checkpoint, name).encode()
    if not records:
        return card
    text = card_with(card.decode("utf-8"), records, name)
    check_text("the card with the results", text)  # they bring the command of the evaluation
    return text.encode("utf-8")


def _write_results(path: Path, text: str) -> None:
    """Put the figures of this evaluation in the place of those that came with the checkpoint; without any, nothing."""
    path.unlink(missing_ok=True)
    if text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    elif path.parent.is_dir():
        path.parent.rmdir()


def _push(request: Request, folder: Path) -> int:
    try:
        done = push(folder, request.push, is_release_file, request.public, request.revision, request.right)
    except (PushError, PushRefused) as error:
        print(f"written, but not uploaded: {error}", file=sys.stderr)
        return NOT_UPLOADED
    seen = "private" if done.private else "public"
    print(f'uploaded: {done.url} ({seen}); load exactly this with revision="{done.commit}"')
    return DONE
