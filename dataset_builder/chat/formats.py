"""Rows of the builder become chat turns in many formats.

Kinds
    whole        every unit that the corpus codes on a scale of its own.
    derived      every unit on a scale on which at least one of them is derived (derive.py states the rules).
    single       one unit. subset: a random part of the units, two or more, not all, in canonical order.
    description  active muscles in words (describe.py).

Conventions
    A unit that is not coded is never asked. A row without an image, without a found face where one was looked for, or with
    nothing coded makes no turn.
    A row's turns follow from (mix.seed, row key) alone: shuffling, workers and resumed runs do not change them.
    One image may carry several turns. They stand alone, each beside the same image, and ask different things as long as
    the row has different things to ask.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from aullava.action_units import SCALES, WORDINGS, Protocol
from aullava.dataset_builder.chat.describe import DESCRIPTION_WORDINGS
from aullava.dataset_builder.chat.turns import DESCRIPTION, Turn, make_description, make_turn
from aullava.dataset_builder.rows.derive import (
    Values,
    answerable,
    as_protocol,
    is_missing,
    protocols_of,
    values_from_columns,
)
from aullava.dataset_builder.rows.schema import OK

KINDS = ("whole", "derived", "single", "subset", DESCRIPTION)
_TRIES = 12  # draws for each turn that is wanted, before a row counts as exhausted


@dataclass(frozen=True)
class ChatMix:
    """What is asked about the rows.

    Args:
        whole, derived, single, subset, description: relative weights of the kinds, 0 or more. A kind that a row cannot give (a
            derived scale where nothing can be derived) leaves its share to the others.
        turns_per_image: 1 or more.
        full_share: share of questions, 0 to 1, in the full form (definitions, one of several wordings); the others are short.
        active_share: share of single questions, 0 to 1, about a unit that is active, where the row has both kinds. It makes "1"
            more frequent there than it is in the corpus; None asks every unit alike and keeps the corpus's rates.
        mirror_share: share of images, 0 to 1, that are mirrored, with their values, before anything is asked.
        scales: those that may be asked.
        occurrence_threshold: the level from which a derived occurrence is 1.
        seed: of every choice.
    """

    whole: float = 4.0
    derived: float = 1.0
    single: float = 2.0
    subset: float = 2.0
    description: float = 1.0
    turns_per_image: int = 1
    full_share: float = 0.5
    active_share: float | None = 0.5
    mirror_share: float = 0.0
    scales: tuple[str, ...] = tuple(SCALES)
    occurrence_threshold: int = 2
    seed: int = 0

    def __post_init__(self):
        weights = self.weights()
        if not all(math.isfinite(w) and w >= 0 for w in weights.values()) or not sum(weights.values()):
            raise ValueError(f"weights are {weights}: expected finite numbers, none negative, not all 0")
        for name in ("full_share", "active_share", "mirror_share"):
            share = getattr(self, name)
            if not (share is None and name == "active_share") and not 0 <= share <= 1:
                raise ValueError(f"{name} is {share}: expected a share from 0 to 1")
        if not isinstance(self.turns_per_image, int) or self.turns_per_image < 1:
            raise ValueError(f"turns_per_image is {self.turns_per_image}: expected a whole number, 1 or more")
        if not self.scales or not set(self.scales) <= set(SCALES):
            raise ValueError(f"scales is {self.scales}: expected some of {', '.join(SCALES)}")
        if self.occurrence_threshold not in (1, 2, 3, 4, 5):
            raise ValueError(f"occurrence_threshold is {self.occurrence_threshold}: expected a level from 1 to 5")

    def weights(self) -> dict[str, float]:
        """Kind -> weight."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name in KINDS}


@dataclass(frozen=True)
class _Format:
    """One scale of a row: what can be asked on it, the values, and whether some are derived."""

    protocol: Protocol
    values: Mapping[str, float]
    derived: bool


def row_key(row: Mapping[str, object]) -> str:
    """What tells a row from all others: corpus, subject, sequence, camera and frame."""
    return "/".join(str(row.get(name, "")) for name in ("corpus", "subject", "sequence", "camera", "frame"))


def has_picture(row: Mapping[str, object]) -> bool:
    """Whether a row's status allows questions: "ok", or no status column at all."""
    return row.get("status", OK) == OK


def turns_of(row: Mapping[str, object], mix: ChatMix, key: str | None = None) -> list[Turn]:
    """The turns of one row, `mix.turns_per_image` of them, or fewer where the row has no more different questions.

    Args:
        row: value columns as in the builder's schema; the image is not looked at.
        mix: what is asked. Mirroring is done before, by `chat.asked_row`.
        key: tells the row from others; its identity columns if not given.

    Raises:
        ValueError: a value lies outside its scale.
    """
    formats = _formats(values_from_columns(row), mix) if has_picture(row) else []
    weights = {kind: weight for kind, weight in mix.weights().items() if weight and _able(kind, formats)}
    if not weights:
        return []
    generator = random.Random(f"{mix.seed}-{key or row_key(row)}-chat")
    turns: dict[tuple, Turn] = {}
    again: dict[str, Turn] = {}  # the same content in other words, for rows that have nothing else
    for _ in range(_TRIES * mix.turns_per_image):
        kind = generator.choices(list(weights), list(weights.values()))[0]
        turn = _draw(kind, formats, mix, generator, row.get("sides") or "")
        content = (turn.kind == DESCRIPTION, turn.protocol.scale, turn.protocol.units)
        if content not in turns:
            turns[content] = turn
        elif turn.question not in {other.question for other in turns.values()}:
            again[turn.question] = turn
        if len(turns) == mix.turns_per_image:
            break
    return [*turns.values(), *again.values()][: mix.turns_per_image]


def can_ask(units: Mapping[str, tuple[str, ...]], mix: ChatMix) -> bool:
    """Whether a row that codes these units (scale -> codes) and no others makes a turn."""
    nothing = {scale: dict.fromkeys(codes, 0.0) for scale, codes in units.items()}
    formats = _formats(nothing, mix)
    return any(weight and _able(kind, formats) for kind, weight in mix.weights().items())


def _formats(values: Values, mix: ChatMix) -> list[_Format]:
    """Every way in which the row can be asked as a whole."""
    units = {
        scale: tuple(code for code, value in coded.items() if not is_missing(value)) for scale, coded in values.items()
    }
    formats = []
    for scale in SCALES:
        if scale not in mix.scales:
            continue
        own = protocols_of(units, scale, False, mix.occurrence_threshold)
        reachable = protocols_of(units, scale, True, mix.occurrence_threshold)
        for protocol in dict.fromkeys(own + reachable):
            found = as_protocol(values, protocol)
            answers = {code: answerable(value, scale) for code, value in found.items()}
            formats.append(_Format(protocol, answers, protocol not in own))
    return formats


def _able(kind: str, formats: list[_Format]) -> bool:
    return bool(_choices(kind, formats))


def _choices(kind: str, formats: list[_Format]) -> list[_Format]:
    """The formats that a kind of turn may take."""
    if kind in ("whole", "derived"):
        return [found for found in formats if found.derived == (kind == "derived")]
    widest = {}
    for found in formats:  # a derived format comes after the own one, and holds its units
        widest[found.protocol.scale, found.protocol.units[0].startswith("feafa")] = found
    return [found for found in widest.values() if kind != "subset" or len(found.protocol.units) > 2]


def _draw(kind: str, formats: list[_Format], mix: ChatMix, generator: random.Random, sides: str) -> Turn:
    """One turn. Every choice is drawn whether it is used or not, so that kinds do not disturb each other."""
    found = generator.choice(_choices(kind, formats))
    form = "full" if generator.random() < mix.full_share else "short"
    wording, words = generator.randrange(WORDINGS), generator.randrange(DESCRIPTION_WORDINGS)
    if kind == DESCRIPTION:
        return make_description(found.values, found.protocol, sides, words)
    protocol = found.protocol
    if kind == "single":
        protocol = protocol.restricted_to([_one_unit(found, mix.active_share, generator)])
    elif kind == "subset":
        count = generator.randint(2, len(protocol.units) - 1)
        protocol = protocol.restricted_to(generator.sample(protocol.units, count))
    return replace(make_turn(found.values, protocol, form, wording), kind=kind)


def _one_unit(found: _Format, active_share: float | None, generator: random.Random) -> str:
    units = found.protocol.units
    if active_share is None:
        return generator.choice(units)
    active = [code for code in units if SCALES[found.protocol.scale].is_active(found.values[code])]
    rest = [code for code in units if code not in active]
    if active and rest:
        return generator.choice(active if generator.random() < active_share else rest)
    return generator.choice(units)
