# ruff: noqa: E501 (the FACS table keeps one unit a line)
"""Facial action units: the FACS table, the protocols of the field, and the text in which values are asked and answered.

Standard library only; this file travels with every released checkpoint.

Conventions
    scale       a key of SCALES. "occurrence": 0 or 1. "intensity": 0 to 5, where 1..5 are the FACS letters A (trace) .. E
                (maximum). "continuous": 0.00 to 1.00 in steps of 0.01.
    active      the unit can be seen to act: level A (trace) or more. `Scale.active_from` is where that begins; everything
                that counts, describes, draws or summarizes active units asks `Scale.is_active`.
    threshold   whether a graded value counts as 1 when a protocol scores occurrence: its level is
                `Protocol.occurrence_threshold` (2, as the DISFA benchmark does) or more. A trace is active without
                being an occurrence in DISFA's sense.
    missing     None in a reading, NaN in a dataset row: not coded or not determined. Never 0.
    sides       left and right are the subject's own, so the subject's left is on the right of an unmirrored image.
    codes       FACS "AU12" or "AD30" (action descriptor). FEAFA numbers its 24 values AU1..AU24 with other meanings, so here
                they live in a namespace of their own: "feafa_01_left_eye_close".

Sources: names and muscles as two public FACS references agree on them; appearance in our own words; FEAFA order as four public
sources give it, its mapping to FACS inferred; sides beyond left and right from memory of the FACS manual.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

OCCURRENCE, INTENSITY, CONTINUOUS = "occurrence", "intensity", "continuous"
INTENSITY_LETTERS = {1: "A", 2: "B", 3: "C", 4: "D", 5: "E"}


@dataclass(frozen=True)
class Scale:
    """What the numbers of a protocol are. All that depends on a scale is here, so an entry of SCALES adds one.

    Args:
        name: as files, configurations and protocols write it.
        suffix: one letter; the end of a value column: "r" makes "AU12_r".
        values: every value as an answer writes it, ascending from 0, all with the same number of digits.
        highest: the last of them, as a number.
        pattern: regular expression of exactly these texts: plain characters, classes, alternatives and an escaped dot.
        loose: regular expression of other ways to write them, for the lenient parser; empty: `pattern`.
        separator: between the items of an answer.
        default: how a reading takes its value from a distribution, "argmax" or "median".
        active_from: the least value, whole or not, that counts as active.
        label: the scale in one phrase: "level 0 to 5".
        meaning: what the numbers stand for, for a table's description.
        rules: two wordings of the answer's format in a question.
        short_rule: the same in the short question.
        description: what a question for a description asks about the values, with a space in front; may be empty.
    """

    name: str
    suffix: str
    values: tuple[str, ...]
    highest: int
    pattern: str
    separator: str
    default: str
    active_from: float
    label: str
    meaning: str
    rules: tuple[str, str]
    short_rule: str
    description: str = ""
    loose: str = ""

    @property
    def decimals(self) -> int:
        """Digits after the point; 0 on a scale of whole numbers."""
        return len(self.values[0].partition(".")[2])

    @property
    def is_graded(self) -> bool:
        """Whether it tells how strong a unit acts, and not only whether it does."""
        return len(self.values) > 2

    @property
    def has_levels(self) -> bool:
        """Whether the values are few enough to give the probability of each: at most ten."""
        return len(self.values) <= 10

    def number(self, text: str) -> int | float:
        """The number that one of `values` stands for."""
        return float(text) if self.decimals else int(text)

    def level(self, value: float) -> int:
        """FACS level 0..5 of a value on a graded scale: its share of the highest value, by `level_of`.

        Raises:
            ValueError: the value is outside the scale.
        """
        return level_of(round(value, 6) / self.highest)

    def is_active(self, value: float) -> bool:
        """Whether a value counts as active; NaN does not. Compared with six decimals, since float32 holds 0.1 inexactly."""
        return round(value, 6) >= self.active_from if value == value else False


# Active begins with level A on every graded scale, because FACS scores a unit from a trace on. Levels are rounded half up, so
# that is an intensity of 0.5 (whole levels: 1) and, five levels to the whole, a strength of 0.10.
SCALES: dict[str, Scale] = {
    scale.name: scale
    for scale in (
        Scale(
            OCCURRENCE,
            suffix="c",
            values=("0", "1"),
            highest=1,
            pattern="[01]",
            separator=" ",
            default="argmax",
            active_from=1,
            label="present or absent",
            meaning="1 present, 0 absent",
            rules=("1 if present, 0 if absent", "write 1 for a unit that acts and 0 for one that does not"),
            short_rule="present 0/1:",
        ),
        Scale(
            INTENSITY,
            suffix="r",
            values=tuple("012345"),
            highest=5,
            pattern="[0-5]",
            separator=" ",
            default="argmax",
            active_from=0.5,
            label="level 0 to 5",
            meaning="level, 1 to 5 are the FACS letters A to E",
            rules=("a level from 0 (absent) to 5 (maximum)", "0 for absent, 1 to 5 for trace to maximum"),
            short_rule="level 0-5:",
            description=" Give each its intensity from trace (A) to maximum (E).",
        ),
        Scale(
            CONTINUOUS,
            suffix="v",
            values=tuple(f"{hundredths / 100:.2f}" for hundredths in range(101)),
            highest=1,
            pattern=r"0\.[0-9][0-9]|1\.00",
            separator=", ",
            default="median",
            active_from=0.1,
            label="strength 0.00 to 1.00",
            meaning="strength",
            rules=("a strength from 0.00 to 1.00", "two decimals, 0.00 for rest and 1.00 for the maximum"),
            short_rule="strength 0.00-1.00:",
            description=" Give each its strength from 0.00 to 1.00.",
            loose=r"0?\.[0-9]{1,2}|1\.00?|[01]",
        ),
    )
}

LEFT_RIGHT, TOP_BOTTOM, MIDLINE = ("left", "right"), ("top", "bottom"), ()


@dataclass(frozen=True)
class ActionUnit:
    """One FACS action unit or descriptor. `sides`: the halves that can act alone, empty where none can."""

    number: int
    name: str
    region: str
    change: str = ""
    muscle: str = ""
    sides: tuple[str, ...] = MIDLINE
    descriptor: bool = False

    @property
    def code(self) -> str:
        return f"{'AD' if self.descriptor else 'AU'}{self.number}"

    @property
    def key(self) -> str:
        """How an answer names the unit."""
        return self.code

    @property
    def column(self) -> str:
        """The stem of a CSV column, zero-padded as OpenFace writes it: "AU01"."""
        return f"{self.code[:2]}{self.number:02d}"


@dataclass(frozen=True)
class FeafaUnit:
    """One of FEAFA's 24 values. `index` counts from 0; `facs` is the inferred FACS counterpart, `side` "L", "R" or ""."""

    index: int
    name: str
    facs: str
    side: str
    region: str
    change: str

    @property
    def key(self) -> str:
        return self.name.lower()

    @property
    def code(self) -> str:
        return f"feafa_{self.index + 1:02d}_{self.key.replace(' ', '_')}"

    @property
    def column(self) -> str:
        return self.code


# fmt: off
_FACS = (
    ActionUnit(0, "Neutral face", "face", "no unit acts"),
    ActionUnit(1, "Inner brow raiser", "brow", "inner brow corners lifted, short wrinkles mid-forehead", "frontalis, pars medialis", LEFT_RIGHT),
    ActionUnit(2, "Outer brow raiser", "brow", "outer brow lifted and arched, wrinkles at the side of the forehead", "frontalis, pars lateralis", LEFT_RIGHT),
    ActionUnit(4, "Brow lowerer", "brow", "brows lowered and drawn together, upright furrow between them", "corrugator supercilii, depressor supercilii, procerus", LEFT_RIGHT),
    ActionUnit(5, "Upper lid raiser", "eye", "upper lid up, eye wider, more white showing", "levator palpebrae superioris, superior tarsal", LEFT_RIGHT),
    ActionUnit(6, "Cheek raiser", "cheek and eye", "cheeks up, crow's feet, pouch below the eye", "orbicularis oculi, pars orbitalis", LEFT_RIGHT),
    ActionUnit(7, "Lid tightener", "eye", "lids tense, lower lid raised, eye narrower", "orbicularis oculi, pars palpebralis", LEFT_RIGHT),
    ActionUnit(8, "Lips toward each other", "mouth", "lips move together over an open jaw", "orbicularis oris"),
    ActionUnit(9, "Nose wrinkler", "nose", "wrinkles on the root and sides of the nose, upper lip pulled up", "levator labii superioris alaeque nasi", LEFT_RIGHT),
    ActionUnit(10, "Upper lip raiser", "upper lip", "upper lip raised, deep square fold from nose to mouth", "levator labii superioris", LEFT_RIGHT),
    ActionUnit(11, "Nasolabial deepener", "cheek", "middle of the fold from nose to mouth deepened", "zygomaticus minor", LEFT_RIGHT),
    ActionUnit(12, "Lip corner puller", "mouth corner", "lip corners pulled up and back", "zygomaticus major", LEFT_RIGHT),
    ActionUnit(13, "Sharp lip puller", "mouth corner", "lip corners sharply up, cheeks puffed", "levator anguli oris", LEFT_RIGHT),
    ActionUnit(14, "Dimpler", "mouth corner", "lip corners tightened inward, dimple", "buccinator", LEFT_RIGHT),
    ActionUnit(15, "Lip corner depressor", "mouth corner", "lip corners pulled down", "depressor anguli oris", LEFT_RIGHT),
    ActionUnit(16, "Lower lip depressor", "lower lip", "lower lip pulled down, lower teeth may show", "depressor labii inferioris", LEFT_RIGHT),
    ActionUnit(17, "Chin raiser", "chin", "chin pushed up and wrinkled, lower lip up", "mentalis"),
    ActionUnit(18, "Lip pucker", "mouth", "lips pushed forward, rounded and small", "incisivii labii superioris and inferioris", TOP_BOTTOM),
    ActionUnit(19, "Tongue show", "mouth", "tongue visible", "genioglossus and others"),
    ActionUnit(20, "Lip stretcher", "mouth", "lip corners pulled straight back, mouth flattened", "risorius, platysma", LEFT_RIGHT),
    ActionUnit(21, "Neck tightener", "neck", "neck cords and skin tighten", "platysma"),
    ActionUnit(22, "Lip funneler", "mouth", "lips turned out like a funnel", "orbicularis oris", TOP_BOTTOM),
    ActionUnit(23, "Lip tightener", "mouth", "lips narrow and tight, red part thinner", "orbicularis oris", TOP_BOTTOM),
    ActionUnit(24, "Lip pressor", "mouth", "lips pressed together", "orbicularis oris"),
    ActionUnit(25, "Lips part", "mouth", "lips separated", "depressor labii inferioris, or relaxed mentalis or orbicularis oris"),
    ActionUnit(26, "Jaw drop", "jaw", "jaw lowered by relaxing", "masseter relaxed, temporalis, medial pterygoid"),
    ActionUnit(27, "Mouth stretch", "jaw", "mouth forced wide open", "pterygoids, digastric"),
    ActionUnit(28, "Lip suck", "mouth", "lips rolled in over the teeth", "orbicularis oris", TOP_BOTTOM),
    ActionUnit(29, "Jaw thrust", "jaw", "jaw pushed forward", descriptor=True),
    ActionUnit(30, "Jaw sideways", "jaw", "jaw moved left or right", sides=LEFT_RIGHT, descriptor=True),
    ActionUnit(31, "Jaw clencher", "jaw", descriptor=True),
    ActionUnit(32, "Lip bite", "mouth", descriptor=True),
    ActionUnit(33, "Cheek blow", "cheek", sides=LEFT_RIGHT, descriptor=True),
    ActionUnit(34, "Cheek puff", "cheek", "cheeks filled with air", sides=LEFT_RIGHT, descriptor=True),
    ActionUnit(35, "Cheek suck", "cheek", sides=LEFT_RIGHT, descriptor=True),
    ActionUnit(36, "Tongue bulge", "cheek", sides=LEFT_RIGHT, descriptor=True),
    ActionUnit(37, "Lip wipe", "mouth", descriptor=True),
    ActionUnit(38, "Nostril dilator", "nose", descriptor=True),
    ActionUnit(39, "Nostril compressor", "nose", descriptor=True),
    ActionUnit(41, "Lid droop", "eye", sides=LEFT_RIGHT),
    ActionUnit(42, "Slit", "eye", sides=LEFT_RIGHT),
    ActionUnit(43, "Eyes closed", "eye", "lids shut", "relaxed levator palpebrae superioris, orbicularis oculi", LEFT_RIGHT),
    ActionUnit(44, "Squint", "eye", sides=LEFT_RIGHT),
    ActionUnit(45, "Blink", "eye", "eyes quickly closed and opened", "levator relaxation, orbicularis oculi", LEFT_RIGHT),
    ActionUnit(46, "Wink", "eye", "one eye closes", "orbicularis oculi", LEFT_RIGHT),
    ActionUnit(51, "Head turn left", "head", "head turned to the left"),
    ActionUnit(52, "Head turn right", "head", "head turned to the right"),
    ActionUnit(53, "Head up", "head", "head raised"),
    ActionUnit(54, "Head down", "head", "head lowered"),
    ActionUnit(55, "Head tilt left", "head", "head tilted to the left"),
    ActionUnit(56, "Head tilt right", "head", "head tilted to the right"),
    ActionUnit(57, "Head forward", "head", "head moved forward"),
    ActionUnit(58, "Head back", "head", "head moved back"),
    ActionUnit(61, "Eyes turn left", "gaze", "eyes turned to the left"),
    ActionUnit(62, "Eyes turn right", "gaze", "eyes turned to the right"),
    ActionUnit(63, "Eyes up", "gaze", "eyes turned up"),
    ActionUnit(64, "Eyes down", "gaze", "eyes turned down"),
)

_FEAFA = (
    FeafaUnit(0, "Left Eye Close", "AU43/45", "L", "eye", "left lids shut"),
    FeafaUnit(1, "Right Eye Close", "AU43/45", "R", "eye", "right lids shut"),
    FeafaUnit(2, "Left Lid Raise", "AU5", "L", "eye", "left upper lid up"),
    FeafaUnit(3, "Right Lid Raise", "AU5", "R", "eye", "right upper lid up"),
    FeafaUnit(4, "Left Brow Lower", "AU4", "L", "brow", "left brow lowered and drawn inward"),
    FeafaUnit(5, "Right Brow Lower", "AU4", "R", "brow", "right brow lowered and drawn inward"),
    FeafaUnit(6, "Left Brow Raise", "AU1+2", "L", "brow", "left brow lifted"),
    FeafaUnit(7, "Right Brow Raise", "AU1+2", "R", "brow", "right brow lifted"),
    FeafaUnit(8, "Jaw Drop", "AU26/27", "", "jaw", "mouth opened by the jaw"),
    FeafaUnit(9, "Jaw Slide Left", "AD30", "L", "jaw", "jaw moved to the left"),
    FeafaUnit(10, "Jaw Slide Right", "AD30", "R", "jaw", "jaw moved to the right"),
    FeafaUnit(11, "Left Lip Corner Pull", "AU12", "L", "mouth corner", "left lip corner pulled up and back"),
    FeafaUnit(12, "Right Lip Corner Pull", "AU12", "R", "mouth corner", "right lip corner pulled up and back"),
    FeafaUnit(13, "Left Lip Corner Stretch", "AU20", "L", "mouth corner", "left lip corner pulled straight back"),
    FeafaUnit(14, "Right Lip Corner Stretch", "AU20", "R", "mouth corner", "right lip corner pulled straight back"),
    FeafaUnit(15, "Upper Lip Suck", "AU28 (upper)", "", "mouth", "upper lip rolled in"),
    FeafaUnit(16, "Lower Lip Suck", "AU28 (lower)", "", "mouth", "lower lip rolled in"),
    FeafaUnit(17, "Jaw Thrust", "AD29", "", "jaw", "jaw pushed forward"),
    FeafaUnit(18, "Upper Lip Raise", "AU10", "", "upper lip", "upper lip raised"),
    FeafaUnit(19, "Lower Lip Depress", "AU16", "", "lower lip", "lower lip pulled down"),
    FeafaUnit(20, "Chin Raise", "AU17", "", "chin", "chin pushed up"),
    FeafaUnit(21, "Lip Pucker", "AU18", "", "mouth", "lips pushed forward and rounded"),
    FeafaUnit(22, "Cheek Puff", "AD34", "", "cheek", "cheeks filled with air"),
    FeafaUnit(23, "Nose Wrinkle", "AU9", "", "nose", "wrinkles on the nose"),
)
# fmt: on

ACTION_UNITS: dict[str, ActionUnit] = {unit.code: unit for unit in _FACS}
FEAFA_UNITS: dict[str, FeafaUnit] = {unit.code: unit for unit in _FEAFA}
_CODE_OF_NUMBER = {unit.number: unit.code for unit in _FACS}

# What a mirrored image exchanges: FEAFA's pairs, by index, and the FACS codes whose direction is part of the code.
_MIRROR_PAIRS = (
    *((_FEAFA[i].code, _FEAFA[j].code) for i, j in ((0, 1), (2, 3), (4, 5), (6, 7), (9, 10), (11, 12), (13, 14))),
    *(("AU51", "AU52"), ("AU55", "AU56"), ("AU61", "AU62")),
)


def unit(code: str) -> ActionUnit | FeafaUnit:
    """The unit a canonical code names; KeyError for any other string."""
    return FEAFA_UNITS[code] if code in FEAFA_UNITS else ACTION_UNITS[code]


def canonical_code(text: str | int) -> str:
    """ "au01", "AU1", "1" and 1 give "AU1"; "AU30" gives "AD30"; FEAFA codes stay as they are.

    Raises:
        ValueError: the text names no unit of the table.
    """
    name = str(text).strip()
    if name.lower() in FEAFA_UNITS:
        return name.lower()
    match = re.fullmatch(r"(?:A[UD])?\s?0*(\d+)", name, re.IGNORECASE)
    number = int(match.group(1)) if match else None
    if number not in _CODE_OF_NUMBER:
        raise ValueError(
            f"{name!r} is no action unit of the table: expected a FACS code such as AU12 or AD30, or one of FEAFA's such as "
            f"{next(iter(FEAFA_UNITS))}"
        )
    return _CODE_OF_NUMBER[number]


@dataclass(frozen=True)
class Protocol:
    """Which units are read, in which order and on which scale.

    Args:
        name: how the field calls it.
        units: canonical codes, in the order of the answer; no code twice.
        scale: a key of SCALES.
        occurrence_threshold: the level, 1..5, from which a graded value counts as 1 when occurrence is scored. Not where a
            unit begins to be active: that is `Scale.active_from`.
        flip_pairs: pairs of codes that change places when the image is mirrored; found from the units, not given.
    """

    name: str
    units: tuple[str, ...]
    scale: str
    occurrence_threshold: int = 2
    flip_pairs: tuple[tuple[str, str], ...] = field(default=(), init=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "units", tuple(canonical_code(code) for code in self.units))
        if not self.units:
            raise ValueError(f"protocol {self.name!r} names no action unit: give at least one")
        if len(set(self.units)) != len(self.units):
            twice = sorted({code for code in self.units if self.units.count(code) > 1})
            raise ValueError(f"protocol {self.name!r} names {', '.join(twice)} more than once: name each unit once")
        if 0 < len(set(self.units) & set(FEAFA_UNITS)) < len(self.units):
            raise ValueError(
                f"protocol {self.name!r} mixes FEAFA's units with FACS units, whose names overlap: ask them in two protocols"
            )
        if self.scale not in SCALES:
            raise ValueError(f"protocol {self.name!r} has scale {self.scale!r}: expected one of {', '.join(SCALES)}")
        if self.occurrence_threshold not in (1, 2, 3, 4, 5):
            raise ValueError(f"occurrence_threshold is {self.occurrence_threshold}: expected a level from 1 to 5")
        mirrored = tuple(pair for pair in _MIRROR_PAIRS if set(pair) & set(self.units))
        object.__setattr__(self, "flip_pairs", mirrored)

    def column(self, code: str, suffix: str | None = None) -> str:
        """CSV column of a unit: "AU01_c", "AU01_r", "feafa_01_left_eye_close_v"; suffix "p" for its probability."""
        return f"{unit(code).column}_{suffix or SCALES[self.scale].suffix}"

    @property
    def first_present(self) -> int:
        """Index, in the values of its scale, of the least one that counts as present when occurrence is scored."""
        scale = SCALES[self.scale]
        if not scale.is_graded:
            return 1
        levels = (scale.level(scale.number(text)) for text in scale.values)
        return next(index for index, level in enumerate(levels) if level >= self.occurrence_threshold)

    def restricted_to(self, codes: Iterable[str]) -> "Protocol":
        """The same protocol over the given units only, in this protocol's order (a row in which some are not coded)."""
        kept = {canonical_code(code) for code in codes}
        return Protocol(self.name, tuple(c for c in self.units if c in kept), self.scale, self.occurrence_threshold)

    def flip(self, values: Mapping[str, float]) -> dict[str, float]:
        """The values that hold for the mirrored image.

        Raises:
            ValueError: a value has a side, and that of the other side is not given.
        """
        partner = dict(self.flip_pairs) | {right: left for left, right in self.flip_pairs}
        alone = [code for code in values if partner.get(code, code) not in values]
        if alone:
            raise ValueError(
                f"{', '.join(alone)} without {', '.join(partner[code] for code in alone)}: a mirrored image exchanges the two, "
                "give both values"
            )
        return {code: values[partner.get(code, code)] for code in values}


AU_LISTS: dict[str, tuple[int, ...]] = {
    "bp4d_12": (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
    "bp4dplus_12": (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
    "bp4d_int_5": (6, 10, 12, 14, 17),
    "disfa_8": (1, 2, 4, 6, 9, 12, 25, 26),
    "disfa_12": (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26),
    "gft_10": (1, 2, 4, 6, 10, 12, 14, 15, 23, 24),
    "abaw_12": (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26),
    "emotionet_12": (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43),
    "unbc_10": (4, 6, 7, 9, 10, 12, 20, 25, 26, 43),
    "raf_au_13": (1, 2, 4, 5, 6, 9, 10, 12, 16, 17, 25, 26, 27),
    "faba_12": (1, 2, 4, 5, 6, 10, 12, 17, 24, 25, 26, 43),
    "faba_20": (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 25, 26, 27, 43),
}

PROTOCOLS: dict[str, Protocol] = {
    name: Protocol(name, AU_LISTS[units], scale)
    for name, units, scale in (
        ("bp4d", "bp4d_12", OCCURRENCE),
        ("bp4d_plus", "bp4dplus_12", OCCURRENCE),
        ("bp4d_intensity", "bp4d_int_5", INTENSITY),
        ("disfa", "disfa_12", INTENSITY),
        ("disfa_occurrence", "disfa_8", OCCURRENCE),
        ("gft", "gft_10", OCCURRENCE),
        ("abaw", "abaw_12", OCCURRENCE),
        ("emotionet", "emotionet_12", OCCURRENCE),
        ("unbc", "unbc_10", INTENSITY),
        ("raf_au", "raf_au_13", OCCURRENCE),
        ("faba", "faba_12", OCCURRENCE),
        ("faba_20", "faba_20", OCCURRENCE),
    )
} | {"feafa": Protocol("feafa", tuple(FEAFA_UNITS), CONTINUOUS)}


def resolve_protocol(protocol: str | Protocol, scale: str | None = None) -> Protocol:
    """A protocol from its name, from a list such as "AU1,AU4,AU12", or itself.

    Args:
        protocol: a name of PROTOCOLS, codes separated by commas, or a Protocol.
        scale: the scale of a list of codes (default "occurrence"); a named protocol has its own and takes no other.

    Raises:
        ValueError: neither a known name nor a list of codes, or a scale that contradicts the named protocol's.
    """
    # Remote code loads this file once per component, so a Protocol may come from a twin of this module: read it by its fields.
    if not isinstance(protocol, str):
        if not hasattr(protocol, "units"):
            raise ValueError(
                f"protocol is {protocol!r}: expected a name, a string such as AU1,AU4,AU12, or a Protocol"
            )
        found = Protocol(protocol.name, protocol.units, protocol.scale, protocol.occurrence_threshold)
    elif protocol in PROTOCOLS:
        found = PROTOCOLS[protocol]
    else:
        try:
            codes = tuple(canonical_code(part) for part in protocol.split(","))
        except ValueError as error:
            raise ValueError(
                f"unknown protocol {protocol!r}: expected one of {', '.join(PROTOCOLS)}, or action units separated by "
                f"commas such as AU1,AU4,AU12 ({error})"
            ) from None
        feafa = all(code in FEAFA_UNITS for code in codes)
        return Protocol("custom", codes, scale or (CONTINUOUS if feafa else OCCURRENCE))
    if scale is not None and scale != found.scale:
        raise ValueError(
            f"protocol {found.name!r} has scale {found.scale!r}, but scale {scale!r} was asked for: leave the scale out, or "
            f"give the units as a list: {','.join(found.units)}"
        )
    return found


def level_of(strength: float) -> int:
    """Level 0..5 of a continuous strength 0..1: five times the strength, rounded half up.

    So 0.1, 0.3, 0.5, 0.7 and 0.9 are where levels A to E begin. A convention of this project for faces whose strength is
    known; FACS itself defines the letters by appearance and not by equal steps.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}: expected a number from 0 to 1")
    return math.floor(5 * strength + 0.5 + 1e-9)


# Answers. One grammar a scale, each value keyed by its unit: items are "key=value"; the shorter separator is enough where
# keys are single words. The equals sign keeps keys and digits apart in every tokenizer's merges.


def value_strings(scale: str) -> tuple[str, ...]:
    """Every admissible value of a scale as an answer writes it, in ascending order."""
    return SCALES[scale].values


def value_of(text: str, scale: str) -> int | float:
    """The number that an admissible value string stands for."""
    return SCALES[scale].number(text)


def answer_pieces(protocol: Protocol) -> tuple[tuple[str, str], ...]:
    """The answer as (literal text, code) pairs in order: each literal is followed by the value of its code."""
    separator = SCALES[protocol.scale].separator
    return tuple(
        (f"{separator if position else ''}{unit(code).key}=", code) for position, code in enumerate(protocol.units)
    )


def format_value(value: int | float, scale: str) -> str:
    """A value as an answer writes it; on a scale with decimals it is rounded to them.

    Raises:
        ValueError: the value is missing, not a number of the scale, or out of its range.
    """
    found = SCALES[scale]
    if value is None or not 0 <= value <= found.highest or (not found.decimals and value != int(value)):
        kind = "a number" if found.decimals else "a whole number"
        raise ValueError(f"value {value!r} on scale {scale!r}: expected {kind} from 0 to {found.highest}")
    return f"{abs(float(value)):0{len(found.values[0])}.{found.decimals}f}"


def render(values: Mapping[str, int | float], protocol: Protocol) -> str:
    """The canonical answer: "AU1=0 AU2=1", "AU1=0 AU2=3" or "left eye close=0.53, right eye close=0.50".

    Raises:
        ValueError: a unit of the protocol has no value (restrict the protocol to the coded units), or a value is not of the scale.
    """
    missing = [code for code in protocol.units if code not in values]
    if missing:
        raise ValueError(
            f"no value for {', '.join(missing)} of protocol {protocol.name!r}: give one, or use protocol.restricted_to(...)"
        )
    pieces = answer_pieces(protocol)
    return "".join(literal + format_value(values[code], protocol.scale) for literal, code in pieces)


def answer_regex(protocol: Protocol) -> str:
    """A regular expression of exactly the answers that `render` writes, with a group around each value.

    For engines that hold generation to one (vLLM, llguidance, xgrammar, Outlines). It is to match the whole text, and consists
    of plain characters, classes, groups, alternatives and an escaped dot, which mean the same to all of them.
    """
    value = SCALES[protocol.scale].pattern
    return "".join(f"{literal}({value})" for literal, _ in answer_pieces(protocol))  # no literal has a sign of its own


@dataclass(frozen=True)
class ParsedAnswer:
    """Values by code (None where the text does not determine one) and "ok", "repaired" or "invalid"."""

    values: dict[str, int | float | None]
    status: str


def parse(text: str, protocol: Protocol, strict: bool = True) -> ParsedAnswer:
    """Read an answer.

    Strict: the text is exactly what `render` writes ("ok"), or all values are None ("invalid").
    Lenient: values that stand beside their unit's key or name are read out of any text, in any order and among other words
    ("repaired"). A unit that is missing, has two different values, a value outside the scale, a second number behind its
    value, a number that may be cut off, or a side or negation before it stays None: nothing is guessed. A text that
    determines no value at all is "invalid".
    """
    match = re.fullmatch(answer_regex(protocol), text)
    if match is not None:
        values = (value_of(found, protocol.scale) for found in match.groups())
        return ParsedAnswer(dict(zip(protocol.units, values, strict=True)), "ok")
    nothing = dict.fromkeys(protocol.units)
    if strict:
        return ParsedAnswer(nothing, "invalid")
    found = _parse_loose(text, protocol)
    return ParsedAnswer(found, "repaired" if any(v is not None for v in found.values()) else "invalid")


def _parse_loose(text: str, protocol: Protocol) -> dict[str, int | float | None]:
    """The one value the text gives each unit, or None. All that is said of a unit counts, so a second, odd value
    ("AU1=1 ... AU1=7") makes it undetermined instead of being overlooked."""
    mentions = sorted(
        (m.start(), m.end(), code) for code in protocol.units for m in re.finditer(_key(code), text, re.I)
    )
    borders = sorted({start for start, _, _ in mentions} | {m.start() for m in re.finditer(_ANY_KEY, text, re.I)})
    said: dict[str, set] = {code: set() for code in protocol.units}
    for start, end, code in mentions:
        following = next((border for border in borders if border >= end), len(text))
        statement = re.match(r"[\s*]*[=:][\s*]*(.*)", text[end:following])
        if statement is None:
            continue  # named, and nothing said of it
        qualified = re.search(_QUALIFIER, text[:start], re.I)
        is_last = end + statement.end() == len(text)
        said[code].add(None if qualified else _value_in(statement.group(1), is_last, protocol.scale))
    return {code: values.pop() if len(values) == 1 else None for code, values in said.items()}


def _value_in(statement: str, is_last: bool, scale: str) -> int | float | None:
    """The value a statement such as "3." or "0.53, " consists of; None if it holds another number or may be cut off.

    Args:
        statement: what follows the equals sign, up to the next unit or the end of the line.
        is_last: whether the text ends there, so that a number may have lost its last digits.
    """
    match = re.match(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", statement)
    if match is None:
        return None
    number, rest = match.group(), statement[match.end() :]
    found = SCALES[scale]
    if found.decimals:
        if is_last and not rest and not re.search(rf"\.[0-9]{{{found.decimals}}}$", number):
            return None
    else:
        number = number.removesuffix(".")  # the end of a sentence
    if re.match(r"[\w%/]", rest) or re.search("[0-9]", rest) or not re.fullmatch(found.loose or found.pattern, number):
        return None
    return found.number(number)


# A word before a unit that makes the statement one about less than the unit, or its opposite.
_QUALIFIER = r"\b(?:not|no|never|without|left|right|l|r|upper|lower|unilateral)[\s-]+$"
_ANY_KEY = r"(?<!\w)A[UD]\s?[0-9]+"


def _key(code: str) -> str:
    """Pattern of the ways a text names a unit: its key, zero-padded or with its name, or its name alone."""
    name = r"[\s_-]+".join(map(re.escape, unit(code).name.split()))
    if code in FEAFA_UNITS:
        return rf"(?<!\w)(?:{re.escape(code)}|{name})(?!\w)"
    return rf"(?<!\w)(?:{code[:2]}\s?0*{unit(code).number}(?:\s*\(?{name}\)?)?|{name})(?!\w)"


# Questions: purpose, definitions of the units asked for, output format. Several wordings, so that a model learns the task
# and not one sentence; a short form for small models, which names the units and the scale and no more.
_PURPOSES = (
    "Read the facial action units of this face.",
    "Which facial muscle actions does this face show? Judge each action unit listed.",
    "Code the face in the picture by the Facial Action Coding System.",
    "Look at the face and score every action unit below.",
)
WORDINGS = len(_PURPOSES) * 2
QUESTION_FORMS = ("full", "short")


def question(protocol: Protocol, form: str = "full", wording: int = 0) -> str:
    """The question for a protocol.

    Args:
        protocol: names the units and the scale.
        form: "full" (purpose, definitions, output format) or "short" ("present 0/1: AU1 AU2 AU4"). A checkpoint's
            `config.question_form` says which one it was trained on most.
        wording: 0 to WORDINGS - 1; the full form's variants of wording. The short form has one.

    Raises:
        ValueError: unknown form or wording.
    """
    if form not in QUESTION_FORMS or not 0 <= wording < WORDINGS:
        raise ValueError(
            f"question form {form!r}, wording {wording}: expected {QUESTION_FORMS} and 0 to {WORDINGS - 1}"
        )
    separator = SCALES[protocol.scale].separator
    if form == "short":
        return f"{SCALES[protocol.scale].short_rule} {separator.join(unit(code).key for code in protocol.units)}"
    purpose = _PURPOSES[wording // 2]
    definitions = []
    for found in map(unit, protocol.units):
        label = found.key if found.code in FEAFA_UNITS else f"{found.key} {found.name.lower()}"
        definitions.append(f"{label}: {found.change}" if found.change else label)
    rule = SCALES[protocol.scale].rules[wording % 2]
    example = separator.join(f"{unit(code).key}=…" for code in protocol.units[:2])
    more = f"{separator}…" if len(protocol.units) > 2 else ""
    listed = "\n".join(definitions)
    return f"{purpose}\n{listed}\nAnswer with each unit in this order and its value, {rule}: {example}{more}"


def sanitize(text: str, special_tokens: Iterable[str] = ()) -> str:
    """User text in which no tokenizer finds a control token: a space is put after the first character of every given special
    token and of everything in angle brackets, so "<image>" becomes "< image>" and stays readable."""
    exact = [re.escape(token) for token in special_tokens if len(token) > 1]
    pattern = re.compile("|".join([*exact, r"<[^<>\s]*>"]))
    return pattern.sub(lambda match: f"{match.group()[0]} {match.group()[1:]}", text)
