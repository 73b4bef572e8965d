"""Whom a checkpoint has seen, as its training.json says, and the refusal to test it on them.

`people_record` writes, for each corpus in the data manifest:
    "people": {"train": ["SN002", ...], "validation": ["SN009", ...]}

Conventions
    ids         those of the corpus, where its owners gave them to everybody who has the corpus. The ids of a table are the user's
                own and may be names, so only the first 16 hexadecimal digits of the SHA-256 of each are kept, with "sha256:" in
                front. They have no salt: whoever tests the checkpoint has to arrive at the same digits. This hides names from
                readers of the file, but not from somebody who guesses a name and hashes it.
    earlier     people of the checkpoint that a run began as stand under "earlier" beside "corpora", and of those before it, too.
    not told    in files of earlier versions. They name the fold: everybody in its training parts counts as seen. Without a frozen
                fold nobody knows who trained, and the report says so.
    validation  people chose the weights, so nobody tests on them. Validating or calibrating on them again is no leak.
    drawn       faces are left out: none of their people is in two splits.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import chain

from aullava.common.files import natural_key
from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.dataset_builder.errors import CorpusError, LeakError
from aullava.dataset_builder.rows.folds import fold, partition
from aullava.dataset_builder.rows.leaks import Person, homes, listing, people_of, shared_people, subjects_by_corpus

DRAWN = "procedural"


def people_record(corpus: str, splits: Mapping[str, object]) -> dict[str, list[str]]:
    """Split -> who is in it, as training.json holds them.

    Args:
        splits: name -> people of the corpus, as `leaks.people_of` takes them.
    """
    if corpus == DRAWN:
        return {}
    return {
        split: sorted({_recorded(*pair) for pair in people_of(people)}, key=natural_key)
        for split, people in splits.items()
    }


def earlier_people(record: Mapping | None) -> list[dict[str, object]]:
    """What training.json of a checkpoint says of people, for the manifest of a run that continues from it."""
    data = (record or {}).get("data") or {}
    return [
        {name: entry[name] for name in ("corpus", "fold", "options", "people") if name in entry}
        for entry in (*data.get("corpora", ()), *data.get("earlier", ()))
        if entry.get("corpus") != DRAWN
    ]


def refuse_seen(
    record: Mapping | None, tested: Iterable[Person], checkpoint: str, validates: bool = False
) -> str | None:
    """Refuse to test a checkpoint on people who trained or validated it, in whichever corpus.

    Args:
        record: its training.json; None without one.
        tested: (corpus, subject) of everybody who is to be read.
        checkpoint: its name, for messages.
        validates: whether they validate or calibrate and do not test: then only those who trained are refused.

    Returns:
        A sentence for the report where it is not known who trained, else None.

    Raises:
        LeakError: somebody was seen; the message names them and what to do.
        CorpusError: the record is not as `train_sft.py` writes it.
    """
    tested = {(corpus, subject) for corpus, subject in tested if corpus != DRAWN}
    if not tested:
        return None
    if record is None:
        return f"Who trained {checkpoint} is not known, for want of its training.json: it may have seen these people."
    trained, unknown = seen_people(record, {corpus for corpus, _ in tested}, checkpoint, validates)
    of_recorded = {(corpus, _recorded(corpus, subject)): (corpus, subject) for corpus, subject in tested}
    shared = shared_people(trained, of_recorded.keys())
    if shared:
        seen = subjects_by_corpus(
            of_recorded.get(pair, pair) for pair in chain.from_iterable(ours for ours, _ in shared.values())
        )
        read = subjects_by_corpus(
            of_recorded[pair] for pair in chain.from_iterable(theirs for _, theirs in shared.values())
        )
        use = "validated" if validates else "tested"
        count = f"{len(shared)} {'person' if len(shared) == 1 else 'people'}"
        out = "; ".join(f"for {corpus}, exclude_subjects={subjects}" for corpus, subjects in seen.items())
        raise LeakError(
            f"{checkpoint} has seen {count} in training whom it is to be {use} on: {listing(seen)} (training) and "
            f"{listing(read)} (here) are the same. Scores on people seen in training say nothing of others. Take people it "
            f"has not seen{_unseen_folds(trained, read)}, or train again without them: {out}"
        )
    if "data" not in record:  # only of a calibration
        return f"Who trained {checkpoint} is not known: it may have seen these people."
    if unknown:
        return f"Who of {', '.join(unknown)} trained {checkpoint} is not known: it may have seen these people."
    return None


def seen_people(
    record: Mapping, tested: Iterable[str], checkpoint: str, validates: bool = False
) -> tuple[set[Person], list[str]]:
    """Whom a training.json names, hashed ids as they stand there, and the corpora of which it does not say who trained.

    Args:
        record, checkpoint, validates: as above.
        tested: corpora; those that can have nobody in common with them are left out.

    Raises:
        CorpusError: as above.
    """
    reach, seen, unknown = set().union(*map(_shown, tested)), set(), []
    try:
        data = {"corpora": ()} if {*record} == {"calibration"} else record["data"]
        fitted = [record["calibration"]] if "calibration" in record else []  # on validation people
        for entry in (*data["corpora"], *data.get("earlier", ()), *fitted):
            corpus = entry["corpus"]
            if corpus == DRAWN or not reach & _shown(corpus):
                continue
            if "people" in entry:
                splits = [people for split, people in entry["people"].items() if split == "train" or not validates]
                seen |= {(corpus, str(subject)) for people in splits for subject in people}
            elif (trained := None if validates else _trained_by_fold(corpus, entry)) is not None:
                seen |= trained
            else:
                unknown.append(corpus)
    except (KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f"training.json of {checkpoint} does not say what it learnt from ({type(error).__name__}: {error}): expected the one "
            "that train_sft.py wrote"
        ) from error
    return seen, unknown


def _trained_by_fold(corpus: str, entry: Mapping) -> set[Person] | None:
    """Everybody whom the frozen fold of an entry trains on, but for those it excludes; None without such a fold."""
    parts = partition(corpus)
    if parts is None or entry.get("fold") is None:
        return None
    try:
        trained = fold(corpus, entry["fold"], frozenset().union(*parts.parts.values())).train
    except CorpusError:  # a fold that this version does not know
        return None
    return {
        (corpus, subject) for subject in trained.difference(entry.get("options", {}).get("exclude_subjects") or ())
    }


def _shown(corpus: str) -> set[str]:
    """The corpus, and those whose people it shows, too."""
    return {corpus, *homes(corpus).values()}


def _recorded(corpus: str, subject: str) -> str:
    if corpus not in READERS or reader_class(corpus).ids_published:
        return subject
    return f"sha256:{hashlib.sha256(subject.encode(errors='surrogateescape')).hexdigest()[:16]}"


def _unseen_folds(seen: set[Person], tested: Iterable[str]) -> str:
    """The frozen folds of the tested corpora that test nobody who was seen, for a message."""
    told = []
    for corpus in tested:
        parts = partition(corpus)
        for name, part in parts.tests.items() if parts else ():
            if not shared_people(seen, [(corpus, subject) for subject in parts.parts[part]]):
                told.append(f"{name} of {corpus}")
    return f" ({', '.join(told)})" if told else ""
