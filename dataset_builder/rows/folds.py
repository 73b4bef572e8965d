"""Who trains and who tests: frozen partitions of people, and folds by the names the papers use.

Conventions
    part            a frozen set of subject ids, "part1", "part2", ...; the parts of a corpus are disjoint.
    "fold<k>"       tests part k and trains on the others. The number k means the same.
    "megraphau_fold<k>"   tests part 4-k, as ME-GraphAU and MDHR number the folds of BP4D and DISFA [V2].
    "farapy_fold<k>"      tests part 4-k of FEAFA, as farapy-data-tools does [V1].
    "loso:<subject>"      leaves one subject out; for every corpus.

The ids lie in frozen/<corpus>_folds.json, each list with its source and evidence: V2, two or more independent public sources
agree (BP4D, DISFA); V1, one source (BP4D+ of FMAE-IAT, FEAFA's part A of farapy-data-tools); "-", ours. DISFA+ has DISFA's parts,
and so has part B of FEAFA+, which is DISFA relabelled: fold k of one never tests whom fold k of another trains on.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aullava.common.files import natural_key
from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.dataset_builder.errors import CorpusError

FROZEN = Path(__file__).with_name("frozen")
LEAVE_ONE_OUT = "loso:"


@dataclass(frozen=True)
class Partition:
    """The frozen parts of a corpus and the folds made of them.

    Args:
        parts: part -> subject ids.
        tests: fold -> the part it tests.
        evidence: one line a file: tag and source of its parts, and what to know about them.
    """

    parts: Mapping[str, frozenset[str]]
    tests: Mapping[str, str]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """Subjects on disk that train and that test; disjoint, neither is empty."""

    name: str
    train: frozenset[str]
    test: frozenset[str]


@cache
def partition(corpus: str) -> Partition | None:
    """The frozen parts of a corpus, from the files that its reader names; None if it has none."""
    names = reader_class(corpus).folds if corpus in READERS else ()
    if not names:
        return None
    files = [json.loads((FROZEN / f"{name}_folds.json").read_text("utf-8")) for name in names]
    parts = {part: frozenset().union(*(file["parts"][part] for file in files)) for part in files[0]["parts"]}
    tests = {
        f"{scheme}{number}": part
        for scheme, made in files[0]["schemes"].items()
        for number, part in enumerate(made["tests"], 1)
    }
    evidence = tuple(f"[{file['tag']}] {'. '.join(filter(None, (file['source'], file['note'])))}" for file in files)
    return Partition(parts, tests, evidence)


def part_of(corpus: str, subject: str) -> str:
    """The part a subject is in; "" if the corpus has no parts or none of them knows the subject."""
    return _part_of_subject(corpus).get(subject, "")


def fold_names(corpus: str) -> tuple[str, ...]:
    """The frozen folds of a corpus, the standard ones first. Leave-one-subject-out folds are not listed."""
    found = partition(corpus)
    return tuple(found.tests) if found else ()


def fold(corpus: str, name: str | int, subjects: Iterable[str]) -> Fold:
    """One fold, restricted to the subjects that are there.

    Args:
        corpus: name of the corpus.
        name: one of `fold_names`, its number, or "loso:<subject>".
        subjects: ids on disk; all of them train or test.

    Raises:
        CorpusError: no such fold, a subject that the partition does not know, or nobody left to train or to test.
    """
    name = f"fold{name}" if str(name).isdecimal() else str(name)
    present = frozenset(subjects)
    if name.startswith(LEAVE_ONE_OUT):
        subject = name.removeprefix(LEAVE_ONE_OUT)
        if subject not in present:
            raise CorpusError(
                f"{name} leaves out {subject!r}, which is not among the {len(present)} subjects of {corpus} given: expected one "
                f"of {', '.join(_ids(present)[:10])}{', ...' if len(present) > 10 else ''}"
            )
        return _restricted(corpus, name, frozenset({subject}), present)
    found = partition(corpus)
    if found is None or name not in found.tests:
        known = f"{', '.join(fold_names(corpus))} or " if found else ""
        raise CorpusError(f"{corpus} has no fold {name!r}: expected {known}'{LEAVE_ONE_OUT}<subject>'")
    if unknown := present.difference(*found.parts.values()):
        ids = _ids(unknown)
        raise CorpusError(
            f"no part of {corpus} knows the subject{'s' * (len(ids) > 1)} {', '.join(ids)}, so no fold says whether to train or to "
            f"test on them: check the folder's name, or leave them out with exclude_subjects={ids}"
        )
    return _restricted(corpus, name, found.parts[found.tests[name]], present)


def validation_subjects(train: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """The training subjects that are set aside to validate on.

    Each is drawn on its own, by a hash of seed and id. So a subject stays where it is when others are added or left out, and a
    person of two corpora (DISFA and FEAFA+) is drawn in both or in neither, but for the one case below.

    Args:
        train: ids.
        share: the share of subjects expected, 0 to below 1. Of few subjects the share drawn can differ a good deal.
        seed: another one draws others.

    Returns:
        At least one and not all: if the draw takes nobody or everybody, the nearest subject changes sides. Empty if share is 0.

    Raises:
        CorpusError: share is out of range, or fewer than two subjects are to be shared out.
    """
    if not 0 <= share < 1:
        raise CorpusError(f"validation share is {share}: expected a number from 0 to below 1")
    if not share:
        return frozenset()
    place = {subject: _uniform(seed, subject) for subject in train}
    if len(place) < 2:
        raise CorpusError(
            f"{len(place)} training subject(s) cannot be shared out for validation: set the share to 0, or give more subjects"
        )
    ordered = sorted(place, key=lambda subject: (place[subject], subject))
    drawn = sum(place[subject] < share for subject in ordered)
    return frozenset(ordered[: min(max(drawn, 1), len(ordered) - 1)])


def _restricted(corpus: str, name: str, tested: frozenset[str], present: frozenset[str]) -> Fold:
    made = Fold(name, train=present - tested, test=present & tested)
    for side, people in (("train on", made.train), ("test on", made.test)):
        if not people:
            wanted = (
                f"one of {', '.join(_ids(tested))}" if side == "test on" else f"others than {', '.join(_ids(tested))}"
            )
            raise CorpusError(
                f"{name} of {corpus}: nobody to {side} among the {len(present)} subjects given ({', '.join(_ids(present)[:10])}); "
                f"expected {wanted}"
            )
    return made


@cache
def _part_of_subject(corpus: str) -> dict[str, str]:
    found = partition(corpus)
    return {subject: part for part, people in found.parts.items() for subject in people} if found else {}


def _uniform(seed: int, subject: str) -> float:
    """A number from 0 to below 1 that depends on nothing but seed and subject, on every machine."""
    digest = hashlib.sha256(f"{seed}/{subject}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _ids(subjects: Iterable[str]) -> list[str]:
    return sorted(subjects, key=natural_key)
