"""Training rows of drawn faces: a `datasets.Dataset` whose pictures are drawn when a row is read, so they fill no disk.

A row is a function of (split, index, options), not of who reads it or when: workers, resumed runs and other machines see the
same faces. Nothing is drawn twice unless an index is read twice.
"""

import random
from dataclasses import dataclass, field

from datasets import Dataset
from PIL import Image

from aullava.action_units import ACTION_UNITS, PROTOCOLS
from aullava.dataset_builder.corpora.procedural import sample_face
from aullava.dataset_builder.turns import FormatMix, make_turn, to_messages

# FACS units that the renderer draws, in numerical order: those of every FACS protocol.
DRAWN_UNITS = tuple(
    code
    for code in ACTION_UNITS
    if any(code in protocol.units for name, protocol in PROTOCOLS.items() if name != "feafa")
)


@dataclass
class DrawnFaceArguments:
    """Which faces are drawn and what is asked about them."""

    faces: int = field(default=1000, metadata={"help": "Number of training faces; each is drawn once an epoch."})
    first_face: int = field(
        default=0, metadata={"help": "Index of the first one: stages of a run take disjoint ranges."}
    )
    frames_per_identity: int = field(default=4, metadata={"help": "Faces that share an identity."})
    style: str = field(
        default="mixed", metadata={"help": "How expressions are sampled: bp4d, disfa, mixed or uniform."}
    )
    rare_boost: float = field(
        default=0.5, metadata={"help": "0 keeps the corpora's base rates; 1 lifts rare units most."}
    )
    draw_seed: int = field(default=0, metadata={"help": "Seed of every face."})
    draw_size: int = field(default=96, metadata={"help": "Side of the drawn picture, in pixels."})
    protocols: list[str] = field(
        default_factory=lambda: ["bp4d", "disfa", "feafa"], metadata={"help": "Formats to train, by protocol name."}
    )
    protocol_weights: list[float] = field(
        default_factory=lambda: [1.0, 1.0, 1.0], metadata={"help": "Relative shares."}
    )
    custom_share: float = field(
        default=0.1, metadata={"help": "Share of rows that ask a random list of units instead."}
    )
    full_share: float = field(default=0.0, metadata={"help": "Share of rows that ask the full question."})


def format_mix(arguments: DrawnFaceArguments) -> FormatMix:
    """The mix that the arguments describe; unknown protocol names raise a KeyError that lists the known ones."""
    unknown = [name for name in arguments.protocols if name not in PROTOCOLS]
    if unknown:
        raise ValueError(f"unknown protocols {', '.join(unknown)}: expected some of {', '.join(PROTOCOLS)}")
    return FormatMix(
        tuple(PROTOCOLS[name] for name in arguments.protocols),
        tuple(arguments.protocol_weights),
        custom_share=arguments.custom_share,
        custom_units=DRAWN_UNITS,
        full_share=arguments.full_share,
    )


def drawn_faces(arguments: DrawnFaceArguments, split: str = "train") -> Dataset:
    """Rows `images` (one RGB picture), `prompt`, `completion`, drawn on access.

    Args:
        arguments: what to draw and ask.
        split: "train", "validation" or "test"; their identities never overlap.
    """
    mix = format_mix(arguments)

    def draw(batch: dict[str, list[int]]) -> dict[str, list]:
        rows = [_row(split, index, arguments, mix) for index in batch["index"]]
        return {column: [row[column] for row in rows] for column in ("images", "prompt", "completion")}

    first = arguments.first_face
    return Dataset.from_dict({"index": list(range(first, first + arguments.faces))}).with_transform(draw)


def _row(split: str, index: int, arguments: DrawnFaceArguments, mix: FormatMix) -> dict[str, list]:
    face = sample_face(
        split,
        index,
        seed=arguments.draw_seed,
        style=arguments.style,
        rare_boost=arguments.rare_boost,
        size=arguments.draw_size,
        frames_per_identity=arguments.frames_per_identity,
    )
    generator = random.Random(f"{arguments.draw_seed}-{split}-{index}-format")
    protocol, form, wording = mix.choose(generator)
    turn = make_turn(face.values(protocol), protocol, form, wording)
    return {"images": [Image.fromarray(face.image_HWC)], **to_messages(turn)}
