"""The folder of a release, written after every check of what would be in it: weights, code, card, example, results."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from aullava.checkpoint.layout import (
    EXAMPLE,
    RESULTS,
    assemble,
    check_complete,
    check_links,
    taken_files,
    weight_files,
)
from aullava.checkpoint.model_card import plain_card
from aullava.checkpoint.weights import check_weights
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.hub.merge import is_adapters, merge
from aullava.hub.results import card_with, leaderboard_file, read_report
from aullava.hub.secrets import check_text, check_texts
from aullava.hub.shards import split_weights
from aullava.hub.terms import check_terms

_DRAWN = 7  # which face goes out as an example: it smiles and raises its inner brows


def write_release(
    checkpoint: Path,
    out_dir: Path,
    *,
    base: str | None,
    evaluation: Sequence[Path],
    benchmark: Sequence[tuple[str, str, str]],
    max_shard_size: str,
    repo: str | None,
    public: bool,
    right: str,
) -> Path:
    """Write the model folder of a checkpoint; adapters are merged first.

    Args:
        checkpoint: whole, or adapters. base: what adapters go onto; None for what they name.
        out_dir: missing, empty, or an earlier release.
        evaluation: reports on this checkpoint. benchmark: (dataset, task, figure) of .eval_results.
        max_shard_size: of a file of weights, such as "5GB".
        repo: the name that the card gives. public, right: whether everybody will see it, and why they may.

    Returns:
        The folder.

    Raises:
        ValueError, OSError, ImportError, SafetensorError: the checkpoint must not or cannot go out; nothing was written.
    """
    check_terms(checkpoint, public, right, base)
    name = out_dir.resolve().name
    with tempfile.TemporaryDirectory(prefix="aullava-") as scratch:
        if is_adapters(checkpoint):
            check_links(checkpoint)  # merging copies what they lead to
            checkpoint = merge(checkpoint, Path(scratch) / "merged" / checkpoint.name, base, name)
        check_complete(checkpoint)
        check_texts(checkpoint, taken_files(checkpoint))
        check_weights(checkpoint, weight_files(checkpoint))
        records = [read_report(path, checkpoint) for path in evaluation]
        results = leaderboard_file(records, benchmark) if benchmark else ""
        own = checkpoint / "README.md"
        card = own.read_bytes() if own.is_file() else plain_card(checkpoint, name).encode()
        if records:
            text = card_with(card.decode("utf-8"), records, name)
            check_text("the card with the results", text)  # they bring the command of the evaluation
            card = text.encode("utf-8")

        def finish(staged: Path) -> None:
            split_weights(staged, max_shard_size)
            Image.fromarray(sample_face("test", _DRAWN).image_HWC).save(staged / EXAMPLE)
            if records:
                _write_results(staged / RESULTS, results)

        return assemble(checkpoint, out_dir, repo, card, finish)


def _write_results(path: Path, text: str) -> None:
    """Replace the figures that came with the checkpoint by those of this evaluation; empty text: remove them."""
    path.unlink(missing_ok=True)
    if text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    elif path.parent.is_dir():
        path.parent.rmdir()
