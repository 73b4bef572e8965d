"""Chat turns: one face and its values become one question and one answer.

Conventions
    A unit without a value (missing, None or NaN: not coded) is left out of question and answer alike, so nothing is learnt
    about it. A row in which no unit is coded makes no turn.
    Each turn stands alone: an answer in one format never sees the answer in another format of the same face.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aullava.action_units import SCALES, WORDINGS, Protocol, format_value, question, render
from aullava.dataset_builder.chat.describe import describe, description_question
from aullava.dataset_builder.rows.derive import answerable, is_missing

DESCRIPTION = "description"


@dataclass(frozen=True)
class Turn:
    """One question about one face with its answer, as what is asked and what was found. `question` and `answer` write it as text.

    Args:
        protocol: the units asked, all of them coded, and their scale.
        values: code -> value on that scale.
        kind: formats.py lists them.
        form, wording: of the question, as in `action_units.question`; of a description as in `describe.description_question`.
        sides: one-sided codes, as in a row; only a description says them.
    """

    protocol: Protocol
    values: Mapping[str, float]
    kind: str = "whole"
    form: str = "full"
    wording: int = 0
    sides: str = ""

    @property
    def question(self) -> str:
        if self.kind == DESCRIPTION:
            return description_question(self.protocol, self.wording)
        return question(self.protocol, self.form, self.wording)

    @property
    def answer(self) -> str:
        if self.kind == DESCRIPTION:
            return describe(self.values, self.protocol.scale, self.sides, self.wording)
        return render(self.values, self.protocol)


def make_turn(
    values: Mapping[str, float | None], protocol: Protocol, form: str = "full", wording: int = 0
) -> Turn | None:
    """The turn of one face in one format.

    Args:
        values: unit code -> value on the protocol's scale; NaN, None or absent where not coded.
        protocol: what is asked. form, wording: as in `action_units.question`.

    Returns:
        The turn, or None if no unit of the protocol is coded.

    Raises:
        ValueError: a value outside the scale.
    """
    coded = {code: values[code] for code in protocol.units if not is_missing(values.get(code))}
    if not coded:
        return None
    for value in coded.values():
        format_value(value, protocol.scale)  # raises where one is not of the scale
    asked = protocol if len(coded) == len(protocol.units) else protocol.restricted_to(coded)
    return Turn(asked, coded, form=form, wording=wording)


def make_description(
    values: Mapping[str, float | None], protocol: Protocol, sides: str = "", wording: int = 0
) -> Turn | None:
    """The turn in words about the coded units of a protocol.

    Args:
        values, protocol: as in `make_turn`.
        sides: one-sided codes, as in a row.
        wording: 0 to DESCRIPTION_WORDINGS - 1.

    Returns:
        The turn, or None if no unit is coded.

    Raises:
        ValueError: unknown wording, or a value outside the scale.
    """
    description_question(protocol, wording)  # raises where it does not know the wording
    coded = {code: values[code] for code in protocol.units if not is_missing(values.get(code))}
    turn = make_turn({code: answerable(value, protocol.scale) for code, value in coded.items()}, protocol)
    return turn and replace(turn, kind=DESCRIPTION, wording=wording, sides=sides)


def to_messages(turn: Turn) -> dict[str, list]:
    """The turn as TRL reads it: `prompt` (image, then question) and `completion`; the image goes beside it in `images`."""
    prompt = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": turn.question}]}]
    return {
        "prompt": prompt,
        "completion": [{"role": "assistant", "content": [{"type": "text", "text": turn.answer}]}],
    }


def to_conversation(turns: Sequence[Turn]) -> dict[str, list]:
    """The turns as one conversation about one image, as TRL reads it: `messages`; the image goes beside it in `images`.

    Here a later answer does see the earlier ones, so it can be copied from them. Where every answer is to come from the image,
    take one row a turn instead.
    """
    messages = []
    for place, turn in enumerate(turns):
        turn_messages = to_messages(turn)
        if place:
            turn_messages["prompt"][0]["content"].pop(0)  # the image is shown once
        messages += turn_messages["prompt"] + turn_messages["completion"]
    return {"messages": messages}


@dataclass(frozen=True)
class FormatMix:
    """Which format a training row gets.

    Args:
        protocols: those to choose from, each as likely as its weight.
        weights: relative, one a protocol.
        custom_share: share of rows, 0 to 1, that ask a random selection of `custom_units` on a random scale instead, so that
            any list of units can be asked later.
        custom_units: unit codes that every row can answer on every scale.
        full_share: share of rows, 0 to 1, that ask the full question (in a random wording); the others ask the short one.
    """

    protocols: tuple[Protocol, ...]
    weights: tuple[float, ...]
    custom_share: float = 0.0
    custom_units: tuple[str, ...] = ()
    full_share: float = 0.0

    def __post_init__(self):
        if len(self.protocols) != len(self.weights):
            raise ValueError(
                f"{len(self.protocols)} protocols but {len(self.weights)} weights: give one weight a protocol"
            )
        if self.custom_share and not self.custom_units:
            raise ValueError(
                f"custom_share is {self.custom_share} but custom_units is empty: name the units to choose from"
            )

    def choose(self, generator: random.Random, asked: Collection[Protocol] = ()) -> tuple[Protocol, str, int]:
        """Protocol, question form and wording of one turn.

        Args:
            asked: protocols of the same image's other turns; one of them is asked again only if nothing else is left.
        """
        left = {p: weight for p, weight in zip(self.protocols, self.weights, strict=True) if p not in asked and weight}
        if generator.random() < self.custom_share or (not left and self.custom_units):
            count = generator.randint(1, min(12, len(self.custom_units)))
            codes = generator.sample(self.custom_units, count)
            if generator.random() < 0.5:
                codes.sort(key=self.custom_units.index)
            protocol = Protocol("custom", tuple(codes), generator.choice(list(SCALES)))
        else:
            protocol = generator.choices(tuple(left or self.protocols), tuple(left.values()) or self.weights)[0]
        form = "full" if generator.random() < self.full_share else "short"
        return protocol, form, generator.randrange(WORDINGS)
