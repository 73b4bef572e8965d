"""A checkpoint, from a folder or the Hub, on a device and ready to read."""

import re
from pathlib import Path
from textwrap import shorten

import torch
from transformers.utils import logging

from aullava.checkpoint.layout import check_model
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor


def load_checkpoint(checkpoint: str | Path, device: str = "auto"):
    """Model in evaluation mode and its processor, with the code of this package and none from the checkpoint.

    Args:
        checkpoint: folder or Hub id.
        device: "auto" (a GPU where there is one), or what torch.device takes.

    Raises:
        ValueError: torch does not have the device, `checkpoint` is neither a folder nor a Hub id, or it cannot be loaded.
    """
    if device == "auto":
        mps = "mps" if torch.backends.mps.is_available() else "cpu"
        device = "cuda" if torch.cuda.is_available() else mps
    try:
        torch.zeros(1, device=device).item()
    except Exception as error:  # AssertionError where torch was built without CUDA
        raise ValueError(f"device {device} cannot be used here: {_in_one_line(error)}") from error
    if not Path(checkpoint).is_dir() and not re.fullmatch(r"[\w.-]+/[\w.-]+", str(checkpoint)):
        raise ValueError(
            f"no checkpoint {checkpoint}: expected an existing folder, or a Hub id such as organisation/name"
        )
    logging.disable_progress_bar()
    try:
        if Path(checkpoint).is_dir():
            check_model(Path(checkpoint))
        # In the precision the checkpoint asks for, as any user's from_pretrained: the same numbers from Python and here.
        model = AULlavaForConditionalGeneration.from_pretrained(checkpoint)
        processor = AULlavaProcessor.from_pretrained(checkpoint)
        processor.prompt("")  # a chat template is compiled when it is first used
        return model.to(device).eval(), processor
    except Exception as error:  # on damaged files the libraries raise nearly every type there is
        raise ValueError(f"checkpoint {checkpoint} cannot be loaded: {_in_one_line(error)}") from error


def _in_one_line(error: Exception) -> str:
    return shorten(f"{type(error).__name__}: {error}", width=800)  # torch may add a page of dispatch tables
