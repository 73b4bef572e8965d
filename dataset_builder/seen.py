"""Whom a checkpoint has seen, as its training.json says, and the refusal to test on them.

In training.json, for each corpus (`people_record` writes it, `seen_people` reads it):
    "people": {"train": ["SN002", ...], "validation": ["SN009", ...]}

Conventions
    ids         those of the corpus, where its owners gave them to all who have the corpus. Ids of a table are the user's own and may
                be names: of each there are only the first 16 hexadecimal digits of its SHA-256, "sha256:ba7816bf8f01cfea". There is
                no salt, since whoever tests the checkpoint has to find the same digits. So a hash hides names from readers of the
                file, not from somebody who guesses a name and hashes it.
    not told    by a training.json of an earlier version. It names the fold: whoever is in the fold's training parts counts as seen.
                Without a frozen fold it is not known who trained, and the report says so.
    validation  people chose the weights, so nobody tests on them either. To validate or to calibrate on them again is no leak.
    drawn       faces are not recorded: nobody is in two splits of theirs.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import chain

from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.dataset_builder.errors import CorpusError, LeakError
from aullava.dataset_builder.folds import fold, partition
from aullava.dataset_builder.leaks import Person, homes, listing, people_of, shared_people, subjects_by_corpus
from aullava.media.files import natural_key

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
    shared = shared_people(trained, of_recorded)
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
        for entry in record["data"]["corpora"]:
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
