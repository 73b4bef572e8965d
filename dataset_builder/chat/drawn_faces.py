"""Training rows of drawn faces: a `datasets.Dataset` whose images are drawn when a row is read, so they fill no disk.

A row is a function of (split, index, options), not of who reads it or when: workers, resumed runs and other machines see the
same faces. Nothing is drawn twice unless an index is read twice.
"""

import random
from dataclasses import dataclass, field

from datasets import Dataset
from PIL import Image

from aullava.action_units import ACTION_UNITS, PROTOCOLS
from aullava.dataset_builder.chat.turns import FormatMix, make_turn
from aullava.dataset_builder.synthetic.drawn import DrawnFace, sample_face
from aullava.dataset_builder.synthetic.drawn.expressions import STYLES

# The FACS units that some protocol asks, in numerical order: what a row with a random list of units chooses from.
ASKED_UNITS = tuple(
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
    draw_size: int = field(default=96, metadata={"help": "Side of the drawn image, in pixels."})
    protocols: list[str] = field(
        default_factory=lambda: ["bp4d", "disfa", "feafa"], metadata={"help": "Formats to train, by protocol name."}
    )
    protocol_weights: list[float] | None = field(
        default=None, metadata={"help": "Relative share of each protocol; all alike if not given."}
    )
    custom_share: float = field(
        default=0.1, metadata={"help": "Share of turns that ask a random list of units instead."}
    )
    full_share: float = field(default=0.0, metadata={"help": "Share of turns that ask the full question."})
    turns_per_face: int = field(
        default=1,
        metadata={"help": "Turns about each face; past the protocols, lists of units drawn at random are asked."},
    )

    def __post_init__(self):
        unknown = [name for name in self.protocols if name not in PROTOCOLS]
        if unknown or not self.protocols:
            raise ValueError(f"protocols is {self.protocols}: expected some of {', '.join(PROTOCOLS)}")
        weights = self.protocol_weights
        if weights is not None and (len(weights) != len(self.protocols) or min(weights) < 0 or not sum(weights)):
            raise ValueError(
                f"protocol_weights is {weights} for protocols {self.protocols}: expected one weight each, none negative, not all 0"
            )
        for name in ("rare_boost", "custom_share", "full_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a share from 0 to 1")
        for name, lowest in (
            ("faces", 1),
            ("first_face", 0),
            ("frames_per_identity", 1),
            ("draw_size", 16),
            ("turns_per_face", 1),
        ):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}: expected {lowest} or more")
        if self.style not in STYLES:
            raise ValueError(f"style is {self.style!r}: expected one of {', '.join(STYLES)}")

    @property
    def usual_form(self) -> str:
        """The question form that most rows ask."""
        return "full" if self.full_share > 0.5 else "short"

    def face(self, split: str, index: int) -> DrawnFace:
        """Face number `index` of a split, as these arguments draw it."""
        return sample_face(
            split,
            index,
            seed=self.draw_seed,
            style=self.style,
            rare_boost=self.rare_boost,
            size=self.draw_size,
            frames_per_identity=self.frames_per_identity,
        )

    def indices(self) -> list[int]:
        """The faces of a run."""
        return list(range(self.first_face, self.first_face + self.faces))


def format_mix(arguments: DrawnFaceArguments) -> FormatMix:
    """The mix of formats that the arguments describe."""
    return FormatMix(
        tuple(PROTOCOLS[name] for name in arguments.protocols),
        tuple(arguments.protocol_weights or [1.0] * len(arguments.protocols)),
        custom_share=arguments.custom_share,
        custom_units=ASKED_UNITS,
        full_share=arguments.full_share,
    )


def drawn_faces(arguments: DrawnFaceArguments, split: str = "train") -> Dataset:
    """Training rows, drawn on access: `images` (one RGB image), `turns` (a list of `turns.Turn`), `row` (its name).

    Args:
        arguments: what to draw and ask.
        split: "train", "validation" or "test"; their identities never overlap.
    """
    mix = format_mix(arguments)

    def draw(batch: dict[str, list[int]]) -> dict[str, list]:
        rows = [_row(split, index, arguments, mix) for index in batch["index"]]
        return {column: [row[column] for row in rows] for column in ("images", "turns", "row")}

    return Dataset.from_dict({"index": arguments.indices()}).with_transform(draw)


def _row(split: str, index: int, arguments: DrawnFaceArguments, mix: FormatMix) -> dict[str, object]:
    face = arguments.face(split, index)
    generator = random.Random(f"{arguments.draw_seed}-{split}-{index}-format")
    turns, asked = [], []
    for _ in range(arguments.turns_per_face):
        protocol, form, wording = mix.choose(generator, asked)
        asked.append(protocol)
        turns.append(make_turn(face.values(protocol), protocol, form, wording))
    return {"images": [Image.fromarray(face.image_HWC)], "turns": turns, "row": f"procedural/{split}/{index}"}
