"""Training pictures changed in ways that leave the action units as they are.

Conventions
    geometry    A mirror, and a crop: a change of size, alike along both axes, and a shift; past its border the picture is
                reflected. A point moves by at most augment_crop of the longer side along either axis; angles and ratios of
                distances stay. Nothing turns, stretches, bends or hides a part of the face: a lifted mouth corner is a few
                pixels, the tilt of the head is a unit of its own (AU55, AU56), and what is covered cannot be read.
    mirror      exchanges the sides of values and questions with those of the picture. A row with a description that names a
                side stays as it is.
    repeatable  A change follows from (augment_seed, epoch, position in the dataset, row name) alone: workers, other machines and
                resumed runs make the same one. Each effect is drawn for itself, in the order of the fields.
"""

import io
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from datasets import Dataset
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from transformers import TrainerCallback

from aullava.dataset_builder.mirror import mirror_turn

_LARGEST = {  # beyond these a unit's visible evidence may go
    "augment_crop": 0.1,
    "augment_blur": 0.01,
    "augment_brightness": 0.3,
    "augment_contrast": 0.5,
    "augment_saturation": 1.0,
    "augment_hue": 0.05,
    "augment_gamma": 0.5,
    "augment_noise": 25.0,
}
_SHARES = ("augment_share", "augment_flip", "augment_gray")
_BEST_QUALITY = 95


@dataclass
class AugmentationArguments:
    """How far training pictures may be changed. All effects are off unless given; validation pictures are never changed."""

    augment_share: float = field(
        default=0.5,
        metadata={"help": "Share of pictures, for each effect but the mirror and grey, that get it. 0 to 1."},
    )
    augment_flip: float = field(
        default=0.0, metadata={"help": "Share of rows that are mirrored, values and all. 0 to 1."}
    )
    augment_crop: float = field(
        default=0.0,
        metadata={"help": "Size by a factor 1 / (1 + c) to 1 + c, shift by up to c / 2 of the side. 0 to 0.1."},
    )
    augment_blur: float = field(
        default=0.0, metadata={"help": "Largest Gaussian sigma, as a share of the shorter side. 0 to 0.01."}
    )
    augment_brightness: float = field(default=0.0, metadata={"help": "Factor 1 - b to 1 + b. 0 to 0.3."})
    augment_contrast: float = field(default=0.0, metadata={"help": "Factor 1 - c to 1 + c. 0 to 0.5."})
    augment_saturation: float = field(default=0.0, metadata={"help": "Factor 1 - s to 1 + s. 0 to 1."})
    augment_hue: float = field(
        default=0.0, metadata={"help": "Largest turn, as a share of the colour circle. 0 to 0.05."}
    )
    augment_gamma: float = field(default=0.0, metadata={"help": "Exponent 1 / (1 + g) to 1 + g. 0 to 0.5."})
    augment_gray: float = field(default=0.0, metadata={"help": "Share of pictures without colour. 0 to 1."})
    augment_noise: float = field(
        default=0.0, metadata={"help": "Largest standard deviation of the grain, in grey levels. 0 to 25."}
    )
    augment_jpeg: int = field(
        default=0, metadata={"help": f"Lowest JPEG quality, from 30 to {_BEST_QUALITY}; 0: no recompression."}
    )
    augment_seed: int = field(default=0, metadata={"help": "Seed of every change."})

    def __post_init__(self):
        for name, largest in (dict.fromkeys(_SHARES, 1.0) | _LARGEST).items():
            if not 0 <= getattr(self, name) <= largest:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a number from 0 to {largest:g}")
        if self.augment_jpeg and not 30 <= self.augment_jpeg <= _BEST_QUALITY:
            raise ValueError(
                f"augment_jpeg is {self.augment_jpeg}: expected 0 or a quality from 30 to {_BEST_QUALITY}"
            )
        effects = [name for name in (*_LARGEST, "augment_jpeg") if getattr(self, name)]
        if effects and not self.augment_share:
            raise ValueError(
                f"{effects[0]} is {getattr(self, effects[0])} with augment_share=0: no picture would get it; set one of the two"
            )

    @property
    def active(self) -> bool:
        """Whether any effect is on."""
        return any(getattr(self, f.name) for f in fields(self) if f.name not in ("augment_share", "augment_seed"))


class EpochOfRun(TrainerCallback):
    """Tells data loader workers, through shared memory, which epoch the trainer is in. Give it to the trainer's callbacks."""

    def __init__(self):
        self.number = torch.zeros((), dtype=torch.int64).share_memory_()

    def on_epoch_begin(self, args, state, control, **_):
        self.number.fill_(int(state.epoch or 0))  # a resumed run begins within its epoch


def augmented_rows(dataset: Dataset, arguments: AugmentationArguments, epoch: EpochOfRun) -> Dataset:
    """The training rows with their pictures changed when they are read, anew in every epoch.

    Args:
        dataset: rows `images`, `turns` (turns.Turn), `row`.
        arguments: which changes, how far.
        epoch: also among the trainer's callbacks.

    Returns:
        A dataset of the same rows; `dataset` itself if no effect is on.
    """
    if not arguments.active:
        return dataset
    index = Dataset.from_dict({"position": np.arange(len(dataset))})
    return index.with_transform(_Read(dataset, arguments, epoch.number))


@dataclass(frozen=True)
class _Read:
    """Positions become rows. A class, not a closure: workers that are spawned receive it pickled."""

    dataset: Dataset
    arguments: AugmentationArguments
    epoch: torch.Tensor

    def __call__(self, batch: Mapping[str, list[int]]) -> dict[str, list]:
        columns = self.dataset[batch["position"]]
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        changed = [
            augment_row(row, self.arguments, f"{self.epoch.item()}-{position}")
            for row, position in zip(rows, batch["position"], strict=True)
        ]
        return {column: [row[column] for row in changed] for column in columns}


def augment_row(row: Mapping[str, object], arguments: AugmentationArguments, visit: str) -> dict[str, object]:
    """A training row as one visit shows it.

    Args:
        row: `images` (one PIL picture in RGB), `turns`, `row`.
        visit: tells this reading of the row from others; the same one gives the same change.
    """
    generator = random.Random(f"{arguments.augment_seed}-{visit}-{row['row']}-augmentation")
    mirrored = generator.random() < arguments.augment_flip
    row = flip_row(row) if mirrored else dict(row)
    row["images"] = [augment(picture, arguments, generator) for picture in row["images"]]
    return row


def flip_row(row: Mapping[str, object]) -> dict[str, object]:
    """The training row of the mirrored face: picture, questions and answers. The same row if a description names a side."""
    turns = [mirror_turn(turn) for turn in row["turns"]]
    if None in turns:
        return dict(row)
    return {**row, "images": [ImageOps.mirror(picture) for picture in row["images"]], "turns": turns}


def augment(picture: Image.Image, arguments: AugmentationArguments, generator: random.Random) -> Image.Image:
    """The picture, in RGB and of the same size, with some of the effects.

    Every effect has a generator of its own, so that turning one on does not change the others.
    """
    for name, effect in _EFFECTS.items():
        own = random.Random(generator.getrandbits(64))
        strength = getattr(arguments, name)
        share = strength if name in _SHARES else arguments.augment_share
        if strength and own.random() < share:
            picture = effect(picture, strength, own)
    return picture


def crop_box(size: tuple[int, int], factor: float, right: float, down: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in pixels, of what is shown of a picture; it may reach past the border.

    Args:
        size: width and height.
        factor: all in the picture becomes so many times as large, from its centre.
        right, down: how far all in it moves then, in shares of the shorter side.
    """
    (width, height), side = size, min(size)
    x, y = width / 2 - right * side / factor, height / 2 - down * side / factor
    return x - width / 2 / factor, y - height / 2 / factor, x + width / 2 / factor, y + height / 2 / factor


def _crop(picture: Image.Image, largest: float, generator: random.Random) -> Image.Image:
    factor = (1 + largest) ** generator.uniform(-1, 1)
    right, down = (generator.uniform(-largest / 2, largest / 2) for _ in range(2))
    box = crop_box(picture.size, factor, right, down)
    margin = math.ceil(max(-box[0], -box[1], box[2] - picture.width, box[3] - picture.height, 0))
    reflected = np.pad(np.asarray(picture), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    moved = tuple(place + margin for place in box)
    return Image.fromarray(reflected).resize(picture.size, Image.Resampling.BICUBIC, moved)


def _enhance(kind: Callable) -> Callable[[Image.Image, float, random.Random], Image.Image]:
    return lambda picture, largest, generator: kind(picture).enhance(1 + generator.uniform(-largest, largest))


def _turn_hue(picture: Image.Image, largest: float, generator: random.Random) -> Image.Image:
    turn = round(generator.uniform(-largest, largest) * 256)
    hue, saturation, value = picture.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda h: (h + turn) % 256), saturation, value)).convert("RGB")


def _bend(picture: Image.Image, largest: float, generator: random.Random) -> Image.Image:
    gamma = (1 + largest) ** generator.uniform(-1, 1)
    return picture.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3)


def _grain(picture: Image.Image, largest: float, generator: random.Random) -> Image.Image:
    stream = np.random.default_rng(generator.getrandbits(64))
    noisy_HWC = np.asarray(picture) + stream.normal(
        0, generator.uniform(0, largest), (picture.height, picture.width, 3)
    )
    return Image.fromarray(noisy_HWC.round().clip(0, 255).astype(np.uint8))


def _recompress(picture: Image.Image, lowest: int, generator: random.Random) -> Image.Image:
    coded = io.BytesIO()
    picture.save(coded, "JPEG", quality=generator.randint(lowest, _BEST_QUALITY))
    return Image.open(coded).convert("RGB")


_EFFECTS = {  # field -> what it does, from the scene over the lens and the sensor to the file
    "augment_crop": _crop,
    "augment_blur": lambda picture, largest, generator: picture.filter(
        ImageFilter.GaussianBlur(generator.uniform(0, largest) * min(picture.size))
    ),
    "augment_brightness": _enhance(ImageEnhance.Brightness),
    "augment_contrast": _enhance(ImageEnhance.Contrast),
    "augment_saturation": _enhance(ImageEnhance.Color),
    "augment_hue": _turn_hue,
    "augment_gamma": _bend,
    "augment_gray": lambda picture, share, generator: picture.convert("L").convert("RGB"),
    "augment_noise": _grain,
    "augment_jpeg": _recompress,
}
