"""A checkpoint, from a folder or the Hub, on a device and ready to read."""

import re
from pathlib import Path

import torch
from transformers.utils import logging

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor


def load_checkpoint(checkpoint: str | Path, device: str = "auto"):
    """Model in evaluation mode and its processor, with the code of this package and none from the checkpoint.

    Args:
        checkpoint: folder or Hub id.
        device: "auto" (a GPU where there is one), or what torch.device takes.

    Raises:
        OSError: no such folder or repository, or files are missing in it.
        ValueError, RuntimeError: neither a folder nor a Hub id, weights are missing, or torch does not have the device.
    """
    if not Path(checkpoint).is_dir() and not re.fullmatch(r"[\w.-]+/[\w.-]+", str(checkpoint)):
        raise ValueError(
            f"no checkpoint {checkpoint}: expected an existing folder, or a Hub id such as organisation/name"
        )
    place = torch.device(_best_device() if device == "auto" else device)
    logging.disable_progress_bar()
    # In the precision the checkpoint asks for, as any user's from_pretrained: the same numbers from Python and from here.
    model = AULlavaForConditionalGeneration.from_pretrained(checkpoint)
    return model.to(place).eval(), AULlavaProcessor.from_pretrained(checkpoint)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
