"""FACS codings written as one string: "4+7", "R12+25", "?", "null" (RAF-AU, CASME II, SAMM).

Units stand apart by "+"; L or R before a number says that only the subject's left or right half acts. Who codes a face this way
writes down what acts, so a unit that is not listed is absent (0), unless "?" stands in the list: then what else acts is not known.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from aullava.action_units import ACTION_UNITS
from aullava.dataset_builder.corpora.reader import facs
from aullava.dataset_builder.errors import LabelError
from aullava.dataset_builder.rows.records import NOT_CODED

ODD_CODES = ("refuse", "not_coded")
_ITEM = re.compile(r"([LR]?)0*([1-9]\d?)", re.IGNORECASE)
_OPEN = "?"
_IN_TABLE = frozenset(unit.number for unit in ACTION_UNITS.values())


@dataclass(frozen=True)
class Coding:
    """What a string says.

    Args:
        numbers: the FACS numbers that act.
        sides: the one-sided ones as written, such as "R12 L14".
        coded: False if nothing at all is known of the face.
        complete: False if units that are not listed may act too.
    """

    numbers: frozenset[int] = frozenset()
    sides: str = ""
    coded: bool = True
    complete: bool = True

    def values(self, codes: Iterable[str]) -> dict[str, float]:
        """Occurrence of each code: 1 listed, 0 not listed, NaN not known."""
        if not self.coded:
            return dict.fromkeys(codes, NOT_CODED)
        rest = 0.0 if self.complete else NOT_CODED
        return {code: 1.0 if ACTION_UNITS[code].number in self.numbers else rest for code in codes}


UNKNOWN = Coding(coded=False)


def parse_codes(
    text: str, path: Path, line: int, missing: Collection[str] = (_OPEN,), odd_codes: str = "refuse"
) -> Coding:
    """Read one string.

    Args:
        text: the string. path, line: where it stands.
        missing: what stands for "not coded" when it is all there is, letter case ignored.
        odd_codes: what becomes of a string outside this grammar: "refuse" it, or count the face as "not_coded".

    Raises:
        LabelError: the string is outside the grammar and `odd_codes` is "refuse".
    """
    text = text.strip()
    if text.lower() in missing:
        return UNKNOWN
    items = [item.strip() for item in text.split("+")]
    listed = [item for item in items if item != _OPEN] if _OPEN in missing else items
    matches = [_ITEM.fullmatch(item) for item in listed]
    if not all(matches):
        if odd_codes == "not_coded":
            return UNKNOWN
        raise LabelError(
            path,
            line,
            f"the codes {text!r}",
            f"FACS numbers joined by +, each with L or R before it or nothing, such as R12+25, or {' or '.join(missing)} for not "
            "coded (odd_codes='not_coded' counts such a face as not coded)",
        )
    sides = " ".join(f"{match.group(1).upper()}{match.group(2)}" for match in matches if match.group(1))
    numbers = frozenset(int(match.group(2)) for match in matches)
    return Coding(numbers, sides, complete=len(listed) == len(items))


def units_in(codings: Iterable[Coding], always: Iterable[int] = ()) -> tuple[str, ...]:
    """Codes of the units that any coding lists, and of those that belong to it in any case, in numerical order."""
    numbers = set(always).union(*(coding.numbers for coding in codings))
    return facs(*sorted(numbers & _IN_TABLE))


def left_out_note(codings: Iterable[Coding]) -> tuple[str, ...]:
    """A note that names the listed numbers which are no unit of our table, if there are any."""
    strange = sorted(set().union(*(coding.numbers for coding in codings)) - _IN_TABLE)
    if not strange:
        return ()
    return (f"Left out, because the FACS table here has no such unit: {', '.join(map(str, strange))}.",)


def check_odd_codes(odd_codes: str) -> str:
    """The option itself.

    Raises:
        ValueError: neither "refuse" nor "not_coded".
    """
    if odd_codes not in ODD_CODES:
        raise ValueError(f"odd_codes is {odd_codes!r}: expected one of {', '.join(ODD_CODES)}")
    return odd_codes
