"""Terms of the data: weights trained on corpora that are given out by request go public only with a statement of right.

Fine-tuned weights inherit the data of their base: the chain is followed through folders by training.json and card. If it ends at a
model on the Hub, that model's card states its licence, and ours repeats it or states another.
"""

import json
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from aullava.dataset_builder.corpora.registry import READERS, reader_class

RECORD = "training.json"


def check_terms(checkpoint: Path, public: bool, right: str, base: str | None = None) -> None:
    """Refuse data with unknown terms, and a public upload that lacks a required statement.

    Args:
        checkpoint: folder; its training.json, if any, names the training data.
        public: whether the weights will be public.
        right: the user's statement that they may publish them; "" if none.
        base: the base of the weights, if it is no longer where the checkpoint says.

    Raises:
        ValueError: see above.
    """
    reason = why_a_statement(checkpoint, base)
    if public and reason and not right.strip():
        raise ValueError(
            f"--public: {reason}; --i-hold-the-right is missing. Leave --public out for a private repo, or, if you may give these "
            'weights to everybody, say why: --i-hold-the-right "agreement of 2026-01-31 with the owners allows public weights"'
        )


def why_a_statement(checkpoint: Path, base: str | None = None, passed: tuple[Path, ...] = ()) -> str | None:
    """Why publishing these weights needs a statement; None if it does not.

    Args:
        checkpoint, base: as above. passed: folders of the chain so far.

    Raises:
        ValueError: a training.json of the chain cannot be read, or names a corpus that this package does not know.
    """
    path = checkpoint / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    card = ModelCard(text, ignore_metadata_errors=True).data if text else ModelCardData()
    if (found := _record(checkpoint / RECORD)) is None:
        return None if _states_licence(card) else f"{checkpoint} has no {RECORD} and no card that states a licence"
    names, recorded, tower = found
    readers = [reader_class(name) for name in dict.fromkeys(names)]
    if asked := [reader.title for reader in readers if reader.licensed]:
        return f"the weights learnt from {', '.join(asked)}, which the owners give out by request"
    if tower:
        return f"the vision tower came from {tower}, and nothing says what it learnt from"
    base = base or _base_of_adapters(checkpoint) or recorded
    if not base:
        return None
    if not _states_licence(card):
        return f"the weights began as {base}, and the card states no licence"
    folder = Path(base).resolve()
    if folder.is_dir() and folder not in (checkpoint.resolve(), *passed):
        reason = why_a_statement(folder, passed=(checkpoint.resolve(), *passed))
        return f"the weights began as {base}, and of those: {reason}" if reason else None
    if base in (card.base_model if isinstance(card.base_model, list) else [card.base_model]):
        return None
    return (
        f"the weights began as {base}, which is no folder here, so nobody sees what it learnt from (a folder: start where it lies; "
        "a model of the Hub: name it as base_model in the card's front matter)"
    )


def _record(path: Path) -> tuple[list[str], str | None, str | None] | None:
    """Corpora of a run, and the checkpoint and tower that it started from; None if no run is recorded."""
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if {*record} == {"calibration"}:  # `aullava calibrate` on a checkpoint that came without a record
            return None
        names = [entry["corpus"] for entry in record["data"]["corpora"]]
        base, tower = (record["settings"].get(name) for name in ("checkpoint", "tower"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} does not say what the weights learnt from ({type(error).__name__}: {error}): expected the one "
            "that train_sft.py wrote"
        ) from error
    if unknown := sorted({str(name) for name in names} - set(READERS)):
        raise ValueError(
            f"{path} names {', '.join(unknown)}, whose licence is not known: expected {', '.join(READERS)}. Release it with "
            "the version of this package that has a reader for it"
        )
    return names, base, tower


def _base_of_adapters(checkpoint: Path) -> str | None:
    """The base folder of adapters, named in full by their own file; training.json holds no absolute paths."""
    path = checkpoint / "adapter_config.json"
    try:
        named = json.loads(path.read_text(encoding="utf-8")).get("base_model_name_or_path") if path.is_file() else None
    except (ValueError, AttributeError):  # damaged; merging them says so
        return None
    return named if isinstance(named, str) and Path(named).is_dir() else None


def _states_licence(card: ModelCardData) -> bool:
    return bool(card.license) and not (card.license == "other" and card.license_name in (None, "not-stated"))
