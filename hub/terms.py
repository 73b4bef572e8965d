"""What the data of a checkpoint allows: weights trained on corpora given out by request go public only with a statement."""

import json
from pathlib import Path

from huggingface_hub import ModelCard

from aullava.dataset_builder.corpora.registry import READERS, reader_class

RECORD = "training.json"
SHORTEST_STATEMENT, FEWEST_LETTERS = 20, 12  # "yes" states nothing, and neither do thirty dots; as of `aullava build`


def check_terms(checkpoint: Path, public: bool, right: str) -> None:
    """Refuse data that nobody knows the terms of, and a public upload that needs a statement and has none.

    Args:
        checkpoint: folder; its training.json, where there is one, says what it learnt from.
        public: whether everybody is to see the weights.
        right: the user's statement that they may give them to everybody; "" if none.

    Raises:
        ValueError: as said above.
    """
    reason = why_a_statement(checkpoint)
    stated = len(right.strip()) >= SHORTEST_STATEMENT and sum(map(str.isalpha, right)) >= FEWEST_LETTERS
    if public and reason and not stated:
        given = f"says only {right!r}" if right.strip() else "is missing"
        raise ValueError(
            f"--public: {reason}; --i-hold-the-right {given}. Leave --public out for a private repo, or, if you may give these "
            f"weights to everybody, say why in {SHORTEST_STATEMENT} characters or more: --i-hold-the-right "
            '"agreement of 2026-01-31 with the owners allows public weights"'
        )


def why_a_statement(checkpoint: Path) -> str | None:
    """Why these weights may not simply go to everybody; None if nothing speaks against it.

    Raises:
        ValueError: training.json cannot be read, or names a corpus that this package does not know.
    """
    path = checkpoint / RECORD
    stated = _states_licence(checkpoint / "README.md")
    if not path.is_file():
        return None if stated else f"{checkpoint} has no {RECORD} and no card that states a licence"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        names = [entry["corpus"] for entry in record["data"]["corpora"]]
        base = record["settings"].get("checkpoint")
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
    readers = [reader_class(name) for name in dict.fromkeys(names)]
    if asked := [reader.title for reader in readers if reader.licensed]:
        return f"the weights learnt from {', '.join(asked)}, which the owners give out by request"
    if base and not stated:
        return f"the weights began as {base}, and the card states no licence"
    return None


def _states_licence(card: Path) -> bool:
    if not card.is_file():
        return False
    data = ModelCard(card.read_text(encoding="utf-8", errors="replace"), ignore_metadata_errors=True).data
    return bool(data.license) and not (data.license == "other" and data.license_name in (None, "not-stated"))
