"""Which people are in which split: by a frozen fold, or as the corpus's owners assigned them. Nobody is in two."""

from collections.abc import Collection, Sequence
from itertools import combinations

from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.folds import fold, fold_names, validation_subjects
from aullava.dataset_builder.rows.leaks import refuse_leaks

SPLITS = ("train", "validation", "test")


def split_subjects(
    reader: CorpusReader,
    subjects: Sequence[str],
    *,
    fold_name: str | int | None = None,
    validation_share: float = 0.0,
    seed: int = 0,
    exclude: Collection[str] = (),
) -> dict[str, tuple[str, ...]]:
    """Split -> its subjects, in the order of `subjects`; an empty mapping if nothing says how to split.

    Args:
        reader: the corpus.
        subjects: those on disk.
        fold_name: a fold of `folds.fold_names`, or its number. None: the owners' splits, where there are such.
        validation_share: share of the training people set aside as "validation", 0 to 1.
        seed: of that choice.
        exclude: subjects left out of every split, by the corpus's ids.

    Raises:
        CorpusError: no such fold, an excluded subject that is not there, or nothing left.
        LeakError: two splits share a person.
    """
    if isinstance(exclude, str):
        raise CorpusError(f"exclude_subjects is {exclude!r}: expected a list of ids, such as [{exclude!r}]")
    exclude = frozenset(exclude)  # an iterator would be empty the second time
    unknown = sorted(exclude - set(subjects))
    if unknown:
        raise CorpusError(
            f"exclude_subjects names {', '.join(unknown)}, which {reader.name} does not have on disk: correct the id, or leave "
            "it out"
        )
    kept = [subject for subject in subjects if subject not in exclude]
    if not kept:
        raise CorpusError(
            f"exclude_subjects leaves nobody of {reader.name}: {len(subjects)} subjects on disk, all excluded"
        )
    assigned: dict[str, list[str]] = {}
    if fold_name is not None:
        chosen = fold(reader.name, fold_name, kept)
        assigned = {"train": list(chosen.train), "test": list(chosen.test)}
    else:  # as the owners did
        for subject in kept:
            if split := reader.native_split(subject):
                assigned.setdefault(split, []).append(subject)
    if validation_share and "train" not in assigned:
        raise CorpusError(
            f"validation_share is {validation_share} but nothing says who trains: give a fold ({_folds(reader)})"
        )
    if validation_share:
        if "validation" in assigned:
            raise CorpusError(
                f"validation_share is {validation_share} but {reader.name} has a validation set of its own: leave it out"
            )
        held = validation_subjects(assigned["train"], validation_share, seed)
        assigned |= {"train": [s for s in assigned["train"] if s not in held], "validation": sorted(held)}
    for first, second in combinations(assigned, 2):
        refuse_leaks([(reader.name, s) for s in assigned[first]], [(reader.name, s) for s in assigned[second]])
    place = {subject: number for number, subject in enumerate(subjects)}
    return {name: tuple(sorted(assigned[name], key=place.__getitem__)) for name in SPLITS if name in assigned}


def no_split(reader: CorpusReader, split: str, available: Collection[str]) -> CorpusError:
    """The error for a split that cannot be had."""
    if available:
        return CorpusError(f"no split {split!r} of {reader.name}: expected one of {', '.join(available)}")
    return CorpusError(
        f"split {split!r} of {reader.name} without a fold: nothing says who is in it. Give a fold ({_folds(reader)}), or ask "
        "for every row: split=None, or --split all where a command asks"
    )


def _folds(reader: CorpusReader) -> str:
    return ", ".join(fold_names(reader.name)) or "such as 'loso:<subject>', one subject against all others"
