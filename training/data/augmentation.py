"""Augmentation of training images that leaves the action units as they are.

Conventions
    geometry    Mirroring, and a crop: an isotropic change of size and a shift; beyond its border the image is reflected. No point
                moves by more than augment_crop of the longer side along either axis; angles and ratios of distances stay. Nothing
                rotates, stretches, bends or occludes the face: a lifted lip corner is a few pixels, head tilt is a unit of its
                own (AU55, AU56), and what is covered cannot be read.
    mirror      swaps left and right in image, values and questions alike. A row with a description that names a side stays as
                it is.
    repeatable  A change depends on (augment_seed, epoch, position in the dataset, row name) only: workers, other machines and
                resumed runs make the same one. Each effect has its own random numbers, in the order of the fields.
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

from aullava.dataset_builder.chat.mirror import mirror_turn

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
    """Strength of each augmentation. All are off by default; validation images are never changed."""

    augment_share: float = field(
        default=0.5,
        metadata={"help": "Probability of each effect except mirroring and grey. 0 to 1."},
    )
    augment_flip: float = field(
        default=0.0, metadata={"help": "Probability that a row is mirrored, with its values. 0 to 1."}
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
        default=0.0, metadata={"help": "Largest hue shift, as a fraction of the colour circle. 0 to 0.05."}
    )
    augment_gamma: float = field(default=0.0, metadata={"help": "Exponent 1 / (1 + g) to 1 + g. 0 to 0.5."})
    augment_gray: float = field(default=0.0, metadata={"help": "Probability of a grey image. 0 to 1."})
    augment_noise: float = field(
        default=0.0, metadata={"help": "Largest standard deviation of the noise, in grey levels. 0 to 25."}
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
                f"{effects[0]} is {getattr(self, effects[0])} with augment_share=0: it would never be used; change one of the two"
            )

    @property
    def active(self) -> bool:
        """Whether any effect is on."""
        return any(getattr(self, f.name) for f in fields(self) if f.name not in ("augment_share", "augment_seed"))


class EpochOfRun(TrainerCallback):
    """Trainer callback that tells data loader workers, through shared memory, which epoch the trainer is in."""

    def __init__(self):
        self.number = torch.zeros((), dtype=torch.int64).share_memory_()

    def on_epoch_begin(self, args, state, control, **_):
        self.number.fill_(int(state.epoch or 0))  # a resumed run begins within its epoch


def augmented_rows(dataset: Dataset, arguments: AugmentationArguments, epoch: EpochOfRun) -> Dataset:
    """The training rows, augmented as they are read, differently in every epoch.

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
    """Positions become rows. A class, not a closure: spawned workers receive it pickled."""

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
    """A training row, augmented for one visit.

    Args:
        row: `images` (one PIL image in RGB), `turns`, `row`.
        visit: identifies this reading of the row; the same visit gives the same change.
    """
    generator = random.Random(f"{arguments.augment_seed}-{visit}-{row['row']}-augmentation")
    mirrored = generator.random() < arguments.augment_flip
    row = flip_row(row) if mirrored else dict(row)
    row["images"] = [augment(image, arguments, generator) for image in row["images"]]
    return row


def flip_row(row: Mapping[str, object]) -> dict[str, object]:
    """The training row of the mirrored face: image, questions and answers. The same row if a description names a side."""
    turns = [mirror_turn(turn) for turn in row["turns"]]
    if None in turns:
        return dict(row)
    return {**row, "images": [ImageOps.mirror(image) for image in row["images"]], "turns": turns}


def augment(image: Image.Image, arguments: AugmentationArguments, generator: random.Random) -> Image.Image:
    """The image, in RGB and of the same size, with some of the effects.

    Every effect has a generator of its own, so that turning one on does not change the others.
    """
    for name, effect in _EFFECTS.items():
        own = random.Random(generator.getrandbits(64))
        strength = getattr(arguments, name)
        share = strength if name in _SHARES else arguments.augment_share
        if strength and own.random() < share:
            image = effect(image, strength, own)
    return image


def crop_box(size: tuple[int, int], factor: float, right: float, down: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in pixels, of what is shown of an image; it may reach past the border.

    Args:
        size: width and height.
        factor: all in the image becomes so many times as large, from its centre.
        right, down: how far all in it moves then, in shares of the shorter side.
    """
    (width, height), side = size, min(size)
    x, y = width / 2 - right * side / factor, height / 2 - down * side / factor
    return x - width / 2 / factor, y - height / 2 / factor, x + width / 2 / factor, y + height / 2 / factor


def _crop(image: Image.Image, largest: float, generator: random.Random) -> Image.Image:
    factor = (1 + largest) ** generator.uniform(-1, 1)
    right, down = (generator.uniform(-largest / 2, largest / 2) for _ in range(2))
    box = crop_box(image.size, factor, right, down)
    margin = math.ceil(max(-box[0], -box[1], box[2] - image.width, box[3] - image.height, 0))
    reflected = np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    moved = tuple(place + margin for place in box)
    return Image.fromarray(reflected).resize(image.size, Image.Resampling.BICUBIC, moved)


def _enhance(kind: Callable) -> Callable[[Image.Image, float, random.Random], Image.Image]:
    return lambda image, largest, generator: kind(image).enhance(1 + generator.uniform(-largest, largest))


def _shift_hue(image: Image.Image, largest: float, generator: random.Random) -> Image.Image:
    turn = round(generator.uniform(-largest, largest) * 256)
    hue, saturation, value = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda h: (h + turn) % 256), saturation, value)).convert("RGB")


def _gamma(image: Image.Image, largest: float, generator: random.Random) -> Image.Image:
    gamma = (1 + largest) ** generator.uniform(-1, 1)
    return image.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3)


def _noise(image: Image.Image, largest: float, generator: random.Random) -> Image.Image:
    stream = np.random.default_rng(generator.getrandbits(64))
    noisy_HWC = np.asarray(image) + stream.normal(0, generator.uniform(0, largest), (image.height, image.width, 3))
    return Image.fromarray(noisy_HWC.round().clip(0, 255).astype(np.uint8))


def _jpeg(image: Image.Image, lowest: int, generator: random.Random) -> Image.Image:
    coded = io.BytesIO()
    image.save(coded, "JPEG", quality=generator.randint(lowest, _BEST_QUALITY))
    return Image.open(coded).convert("RGB")


_EFFECTS = {  # field -> what it does, from the scene over the lens and the sensor to the file
    "augment_crop": _crop,
    "augment_blur": lambda image, largest, generator: image.filter(
        ImageFilter.GaussianBlur(generator.uniform(0, largest) * min(image.size))
    ),
    "augment_brightness": _enhance(ImageEnhance.Brightness),
    "augment_contrast": _enhance(ImageEnhance.Contrast),
    "augment_saturation": _enhance(ImageEnhance.Color),
    "augment_hue": _shift_hue,
    "augment_gamma": _gamma,
    "augment_gray": lambda image, share, generator: image.convert("L").convert("RGB"),
    "augment_noise": _noise,
    "augment_jpeg": _jpeg,
}
