"""Counts of a corpus on disk beside the published ones, so that a wrong copy or a wrong reader shows itself.

    census = Census.expecting(reader.units)
    for subject in reader.subjects():
        for record in reader.read(subject):
            census.add(record)
    print(table(compare("disfa", census, {"frames": "jaanet"})))

The published counts lie in frozen/published_counts.json, each with its source and the evidence for it. A difference does not say
who is wrong: a copy may be incomplete, and some of the counts are only stated in an abstract or remembered.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from rich.markup import escape
from rich.table import Table

from aullava.action_units import ACTION_UNITS, CONTINUOUS, FEAFA_UNITS, INTENSITY, OCCURRENCE
from aullava.common.files import natural_key, printable
from aullava.dataset_builder.corpora.registry import READERS, options_of
from aullava.dataset_builder.rows.census import Census, UnitCount
from aullava.dataset_builder.rows.folds import FROZEN, part_of, partition

EQUAL, DIFFERS, NOT_PUBLISHED = "equal", "differs", "not published"

_OF_SUBJECT = "frames of subject"
_SHOWN_UNPUBLISHED = ("subjects", "sequences", "frames", "frames of part", "positive rate", "nonzero rate")
_ONLY_IF_THERE = (_OF_SUBJECT, "positives", "positive rate", "nonzero rate")
_ORDER = ("subjects", "subjects by initial", "sequences", "frames", "frames of part", _OF_SUBJECT)
_CODES = (*ACTION_UNITS, *FEAFA_UNITS)
_NAMED = 40  # subjects that a note names
_SAMPLE_ERRORS = 4  # standard errors by which a rate may miss one that was published of a random sample


@dataclass(frozen=True)
class Check:
    """One count beside the published one.

    Args:
        quantity: what is counted: "frames", "frames of part", "positive rate", ...
        expected: the published number; None if none is known here.
        found: the number on disk; NaN for a rate of a unit that no frame codes.
        tag: the evidence for `expected`, a key of `evidence_tags()`; "" if there is none.
        verdict: "equal", "differs" or "not published". A rate is equal if it is so in the published digits; one that was published
            of a random sample, if it is within 4 standard errors of sampling.
        key: which part, subject or unit; "" if the quantity is one of the whole corpus.
        note: what explains a difference, as far as it is known.
        source: where `expected` comes from.
    """

    quantity: str
    expected: float | None
    found: float
    tag: str
    verdict: str
    key: str = ""
    note: str = ""
    source: str = ""

    @property
    def label(self) -> str:
        """Quantity and key: "frames of part, part1"."""
        return f"{self.quantity}, {self.key}" if self.key else self.quantity


def compare(corpus: str, census: Census, options: Mapping[str, object] | None = None) -> list[Check]:
    """Every published count of a corpus, and the main ones that nobody published, beside what was counted.

    Subjects that are not on disk are named once; the frames of each one that is there are compared on their own. Published rates of
    units that were not counted are left out.

    Args:
        corpus: its name; one without published counts gives "not published" throughout.
        census: of all its labelled frames on disk.
        options: those of its reader, such as frames="jaanet" for DISFA: they choose the list that is compared with.
    """
    defaults = {name: option.default for name, option in options_of(corpus).items()} if corpus in READERS else {}
    chosen = defaults | dict(options or {})
    published = [
        entry
        for entry in _published()["counts"]
        if entry["corpus"] == corpus
        and all(chosen.get(name) == value for name, value in entry.get("when", {}).items())
        and ("scale" not in entry or entry["scale"] in census.units)
    ]
    roll = _call_roll(corpus, census, published)
    checks = []
    for entry in published:
        found = _count(corpus, census, entry["quantity"], entry.get("scale"))
        for key, expected in entry["values"].items():
            if key in found or entry["quantity"] not in _ONLY_IF_THERE:
                checks.append(_check(entry, key, expected, found.get(key, 0), roll))
    there = {(check.quantity, check.key) for check in checks}
    checks += [
        Check(quantity, None, number, "", NOT_PUBLISHED, key)
        for quantity in _SHOWN_UNPUBLISHED
        for key, number in _count(corpus, census, quantity).items()
        if (quantity, key) not in there
    ]
    return sorted(checks, key=_position)


def summary(checks: Sequence[Check]) -> str:
    """One sentence on all checks, and what is missing."""
    verdicts = Counter(check.verdict for check in checks)
    said = f"{verdicts[EQUAL]} equal the published counts, {verdicts[DIFFERS]} differ, {verdicts[NOT_PUBLISHED]} are not published"
    notes = [check.note for check in checks if check.quantity == "subjects" and check.note]
    return ". ".join([said, *notes])


def evidence_tags() -> dict[str, str]:
    """Tag -> how well a published count is known."""
    return dict(_published()["tags"])


def table(checks: Sequence[Check], full: bool = False) -> Table:
    """For a terminal. Frames of subjects that are as published share one row, unless `full`."""
    shown = Table(
        title="Self-check: counts on disk and as published", caption=escape(_caption(checks)), caption_justify="left"
    )
    for name in ("quantity", "expected", "found", "evidence", "verdict"):
        shown.add_column(name, justify="right" if name in ("expected", "found") else "left", overflow="fold")
    for check in checks if full else _folded(checks):
        style = {DIFFERS: "bold red", NOT_PUBLISHED: "dim"}.get(check.verdict)
        shown.add_row(*map(escape, _cells(check)), style=style)
    return shown


def markdown(checks: Sequence[Check], full: bool = False) -> str:
    """The same for a dataset card."""
    lines = ["| quantity | expected | found | evidence | verdict |", "|---|---:|---:|---|---|"]
    for check in checks if full else _folded(checks):
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in _cells(check))} |")
    return "\n".join([*lines, "", _caption(checks)])


@cache
def _published() -> dict:
    return json.loads((FROZEN / "published_counts.json").read_text("utf-8"))


def _count(corpus: str, census: Census, quantity: str, scale: str | None = None) -> dict[str, float]:
    """Key -> number of one quantity; frames and units on the given scale only, if one is given."""
    frames = census.coded_frames.get(scale, Counter()) if scale else census.frames
    match quantity:
        case "subjects":
            return {"": len(census.frames)}
        case "subjects by initial":
            return Counter(subject[:1] for subject in census.frames)
        case "sequences":
            return {"": sum(map(len, census.sequences.values()))}
        case "frames":
            return {"": frames.total()}
        case "frames of subject":
            return {subject: frames[subject] for subject in census.frames}
        case "frames of part":
            counts = Counter()
            for subject, number in frames.items():
                counts[part_of(corpus, subject)] += number
            return {part: number for part, number in counts.items() if part}
        case "positives":
            return {code: counts.positive for code, counts in _facs_counts(census, scale).items()}
        case "positive rate":
            return {code: counts.rate for code, counts in _facs_counts(census, scale).items()}
        case "nonzero rate":
            return {code: counts.rate for code, counts in census.units.get(CONTINUOUS, {}).items()}
    raise KeyError(f"published_counts.json has the quantity {quantity!r}, which nothing here counts")


def _facs_counts(census: Census, scale: str | None) -> dict[str, UnitCount]:
    """Code -> count on a scale; if none is given, occurrence where it is coded, else intensity of 2 or more."""
    if scale:
        return census.units.get(scale, {})
    by_level, by_occurrence = census.units.get(INTENSITY, {}), census.units.get(OCCURRENCE, {})
    return by_level | {code: counts for code, counts in by_occurrence.items() if counts.coded or code not in by_level}


def _check(entry: dict, key: str, expected: float, found: float, roll: "_Roll") -> Check:
    equal = abs(found - expected) <= _tolerance(entry, expected)  # false for NaN
    note = ""
    if math.isnan(found):
        note = "never coded"
    elif not equal or entry["quantity"] == "subjects":
        note = roll.explain(entry["quantity"], key)
    return Check(
        entry["quantity"], expected, found, entry["tag"], EQUAL if equal else DIFFERS, key, note, entry["source"]
    )


def _tolerance(entry: dict, expected: float) -> float:
    """By how much a number may miss the published one: half of its last digit, and sampling error if it is of a sample."""
    if "digits" not in entry:
        return 0.0
    rounding = 0.5 * 10 ** -entry["digits"] + 1e-9
    if "sample" not in entry:
        return rounding
    left_out = 1 - entry["sample"] / entry["population"]
    return rounding + _SAMPLE_ERRORS * math.sqrt(expected * (1 - expected) / entry["sample"] * left_out)


@dataclass(frozen=True)
class _Roll:
    """How many people lack, and by id, where ids are published, who is absent and who is there without belonging."""

    corpus: str
    lacking: int
    absent: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()

    def explain(self, quantity: str, key: str) -> str:
        """Why a count may differ, as far as people explain it; "" if they do not."""
        lacking = self.lacking
        if quantity == "frames of part":
            lacking = sum(part_of(self.corpus, subject) == key for subject in self.absent)
        said = f"{_people(lacking)} missing" if lacking > 0 and quantity != _OF_SUBJECT else ""
        if quantity != "subjects":
            return said
        strange = f"{_people(len(self.extra))} not of this corpus: {_list(self.extra)}" if self.extra else ""
        return "; ".join(filter(None, (f"{said}: {_list(self.absent)}" if self.absent else said, strange)))


def _call_roll(corpus: str, census: Census, published: Iterable[dict]) -> _Roll:
    entry = next((entry for entry in published if entry["quantity"] == "subjects"), None)
    if entry is None:
        return _Roll(corpus, 0)
    frozen = partition(corpus)
    known = frozenset().union(*frozen.parts.values()) if frozen else frozenset()
    known = frozenset(subject for subject in known if subject.startswith(entry.get("prefix", "")))
    if not known:
        return _Roll(corpus, entry["values"][""] - len(census.frames))
    absent = known - census.frames.keys()
    return _Roll(corpus, len(absent), absent, frozenset(census.frames.keys() - known))


def _people(count: int) -> str:
    return f"{count} subject{'s' * (count != 1)}"


def _list(subjects: Iterable[str]) -> str:
    ids = [printable(subject) for subject in sorted(subjects, key=natural_key)]
    return ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")


def _position(check: Check) -> tuple:
    """Order of the rows: the corpus, then its parts and people, then unit by unit."""
    if check.quantity in _ORDER:
        return 0, _ORDER.index(check.quantity), natural_key(check.key)
    return 1, _CODES.index(check.key), check.quantity


def _folded(checks: Iterable[Check]) -> list[Check]:
    """The checks with one in place of all subjects whose frames are as published."""
    alike = [check for check in checks if check.quantity == _OF_SUBJECT and check.verdict == EQUAL]
    if len(alike) < 2:
        return list(checks)
    one = Check(
        f"frames of {len(alike)} subjects, each",
        sum(check.expected for check in alike),
        sum(check.found for check in alike),
        alike[0].tag,
        EQUAL,
    )
    rest = [check for check in checks if check not in alike]
    place = next((i for i, check in enumerate(rest) if _position(check) > (0, _ORDER.index(_OF_SUBJECT))), len(rest))
    return [*rest[:place], one, *rest[place:]]


def _cells(check: Check) -> tuple[str, ...]:
    note = (
        "see below" if check.quantity == "subjects" else check.note
    )  # who is missing is a long list: `summary` has it
    verdict = f"{check.verdict} ({note})" if check.note else check.verdict
    return printable(check.label), _number(check.expected), _number(check.found), check.tag, verdict


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if math.isnan(value):
        return "NaN"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _caption(checks: Sequence[Check]) -> str:
    used = {check.tag for check in checks}
    legend = "; ".join(f"{tag}: {meaning}" for tag, meaning in evidence_tags().items() if tag in used)
    return f"{summary(checks)}." + (f" Evidence: {legend}." if legend else "")
