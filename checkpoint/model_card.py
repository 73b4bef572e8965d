"""The model card of every checkpoint: one template, filled with what a run recorded and with what the checkpoint's files say.

It lies here because a run writes the card of its weights, a release writes that of a checkpoint without one, and both may import
this folder. `path/of/this/folder` becomes the name of the repo when a release is uploaded.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from aullava.common.files import printable
from aullava.detection.framing import Framing

TEMPLATE = Path(__file__).parent / "templates" / "model_card.md.jinja"
_FILTERS = {0: "nearest", 1: "Lanczos", 2: "bilinear", 3: "bicubic"}  # as Pillow numbers them


def fill_card(
    data: ModelCardData, name: str, folder: Path | None, record: Mapping | None = None, **facts: object
) -> str:
    """The text of README.md.

    Args:
        data: the front matter.
        name: of the model.
        folder: whose files say how images are prepared; None: not written yet.
        record: training.json of the run that made the weights; None: a checkpoint that came without a card.
        facts: what else the template names, as `training/run/run_card.py` gathers it: `kind` ("model", "adapters", or "run" for a
            run's folder, which holds no weights itself), `corpora`, `protocols`, `figures`, `undefined`, `read_rows`, `licence`.
    """
    about = {"kind": "model", "corpora": [], "input": describe_input(folder), "code": code_span}
    card = ModelCard.from_template(data, str(TEMPLATE), **{"name": printable(name), "record": record} | about | facts)
    return f"{card}\n"  # Jinja cuts the last line break off


def plain_card(checkpoint: Path, name: str) -> str:
    """The card of a checkpoint that comes without one: how to use it, and that nothing else is stated or was measured.

    Args:
        checkpoint: folder whose files say how images are prepared. name: of the model.
    """
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="image-text-to-text",
        tags=["facial-action-units", "facs", "llava"],
    )
    return fill_card(data, name, checkpoint)


def code_span(value: object) -> str:
    """Any value as Markdown code on one line."""
    return f"`{printable(str(value)).replace('`', chr(39)).replace('|', '/')}`"


def describe_input(folder: Path | None) -> str:
    """How an image is prepared for the model, according to the processor's and configuration's files, if they exist."""
    said = "One face per image, upright, RGB."
    if steps := _read(folder, "processor_config.json").get("image_processor"):
        said += f" `processor` {_steps(steps)}."
    else:
        said += " The processor's files beside the weights say how images are resized and normalised."
    config = _read(folder, "config.json") or _read(folder, "model_config.json")  # of a checkpoint, of adapters
    if not config:
        return said
    margin = config.get("face_margin")  # how an older configuration says it
    framing = Framing(**config["framing"]) if "framing" in config else Framing(margin=margin)
    if not framing.crops:
        return (
            f"{said} Images are read whole, as in training (`framing` in `config.json`), without a search for faces."
        )
    return f"{said} From other images `aullava recognize` crops faces as in training (`framing` in `config.json`): {framing}."


def _read(folder: Path | None, name: str) -> dict:
    path = folder / name if folder else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}


def _steps(settings: Mapping) -> str:
    steps = []
    if settings.get("do_resize"):
        kernel = _FILTERS.get(settings.get("resample"), "another filter")
        steps.append(f"resizes it to {_size(settings['size'])} ({kernel})")
    if settings.get("do_center_crop"):
        steps.append(f"keeps the middle {_size(settings['crop_size'])}")
    if settings.get("do_normalize"):
        scaled = f"x · {settings['rescale_factor']:.6g}" if settings.get("do_rescale") else "x"
        mean, deviation = (
            f"[{', '.join(f'{value:.6g}' for value in values)}]" if len({*values}) > 1 else f"{values[0]:.6g}"
            for values in (settings["image_mean"], settings["image_std"])
        )
        steps.append(f"gives ({scaled} − {mean}) / {deviation}, channel by channel")
    return " and ".join(filter(None, (", ".join(steps[:-1]), *steps[-1:]))) or "leaves it unchanged"


def _size(size: Mapping[str, int] | int) -> str:
    if isinstance(size, int):
        return f"{size} x {size}"
    for edge, side in (("shortest_edge", "shorter"), ("longest_edge", "longer")):
        if edge in size:
            return f"{size[edge]} on its {side} side"
    return f"{size['width']} x {size['height']}"
