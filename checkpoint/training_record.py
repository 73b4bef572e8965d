"""training.json of a checkpoint, wherever the checkpoint lies."""

import json
from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

NAME = "training.json"


def training_record(checkpoint: str | Path, revision: str | None = None) -> dict | None:
    """What `train_sft.py` wrote of the run that made the weights.

    Args:
        checkpoint: folder of a whole checkpoint or of adapters, or Hub id. From the Hub the file is taken out of the cache, or
            downloaded where there is a network.
        revision: branch, tag or commit on the Hub; None: the commit that was loaded last, else main.

    Returns:
        Its contents; None if there is none, or it cannot be had, for instance offline.

    Raises:
        ValueError: it is damaged.
    """
    path = Path(checkpoint) / NAME
    if not Path(checkpoint).is_dir():
        try:
            config = try_to_load_from_cache(str(checkpoint), "config.json")  # in snapshots/COMMIT
            revision = revision or (Path(config).parent.name if isinstance(config, str) else None)
            path = Path(hf_hub_download(str(checkpoint), NAME, revision=revision))
        except (EntryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, HFValidationError):
            return None
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{NAME} of {checkpoint} is damaged ({error}): get the file again, or remove it") from error
    if not isinstance(record, dict):
        raise ValueError(
            f"{NAME} of {checkpoint} holds a {type(record).__name__}: expected the object of train_sft.py"
        )
    return record
