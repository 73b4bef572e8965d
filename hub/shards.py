"""Large weights as several files, so that each can be downloaded again alone and fits into memory."""

import json
import math
import re
from pathlib import Path

from huggingface_hub import split_state_dict_into_shards_factory
from safetensors import safe_open
from safetensors.torch import save_file

from aullava.checkpoint.layout import INDEX, WEIGHTS
from aullava.common.files import replace_file

MAX_SHARD_SIZE = "5GB"
_PATTERN = "model{suffix}.safetensors"
_WIDTHS = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}  # bytes


def split_weights(folder: Path, max_size: int | str = MAX_SHARD_SIZE) -> list[str]:
    """Split `model.safetensors` of a folder if it is larger than allowed. The folder stays loadable throughout.

    Args:
        folder: holds `model.safetensors`; weights already in several files stay as they are.
        max_size: of a file, in bytes or as "5GB". A larger tensor gets its own file.

    Returns:
        Names of the new files; none if one file is enough.
    """
    source = folder / WEIGHTS
    if not source.is_file():
        return []
    with safe_open(source, framework="pt") as file:
        slices = {key: file.get_slice(key) for key in file.offset_keys()}
        sizes = {key: math.prod(each.get_shape()) * _WIDTHS[each.get_dtype()] for key, each in slices.items()}
        plan = plan_shards(sizes, max_size)
        if not plan.is_sharded:
            return []
        for name, keys in plan.filename_to_tensors.items():
            tensors = {key: file.get_tensor(key) for key in keys}
            replace_file(folder / name, lambda path, held=tensors: save_file(held, path, metadata={"format": "pt"}))
    index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
    text = json.dumps(index, indent=2, sort_keys=True) + "\n"
    replace_file(folder / INDEX, lambda path: path.write_text(text, encoding="utf-8"))
    source.unlink()  # last: transformers reads it before the index
    return [*plan.filename_to_tensors, INDEX]


def check_size(max_size: str) -> None:
    """Refuse an invalid file size.

    Raises:
        ValueError: it is invalid.
    """
    if not re.fullmatch(r"[1-9]\d*(?:KB|MB|GB)", max_size):
        raise ValueError(f"--max-shard-size {max_size}: expected a size such as 5GB or 500MB")


def plan_shards(sizes: dict[str, int], max_size: int | str):
    """Which tensor goes into which file, in order; sizes in bytes."""
    return split_state_dict_into_shards_factory(
        sizes, get_storage_size=lambda size: size, filename_pattern=_PATTERN, max_shard_size=max_size
    )
