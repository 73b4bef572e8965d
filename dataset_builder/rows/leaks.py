"""No person in both training and test data, also where two corpora show the same people under one id.

Which corpora show the same people, their readers say (`CorpusReader.shares_subjects_with`):
    DISFA, DISFA+ [V1] and part B of FEAFA+, which is DISFA relabelled: SN001 is SN001.
    FEAFA and part A of FEAFA+: PV001 is PV001. A few people own more than one PV id, and nobody published which.

Everywhere else an id counts within its corpus only. F001 of BP4D and F001 of BP4D+ are taken for two people: no source says that
they are one. A table of the user's own ("table") is a corpus of its own: if it lists people of DISFA, nothing here can know that;
two tables that give one id to two people count as sharing one.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain

from aullava.common.files import natural_key
from aullava.dataset_builder.corpora.registry import READERS, reader_class
from aullava.dataset_builder.errors import CorpusError, LeakError

Person = tuple[str, str]  # corpus and subject

_ROWS_AT_ONCE = 50_000


def person(corpus: str, subject: str) -> str:
    """A name for the human being, the same in every corpus that shows them: ("feafa_plus", "SN001") -> "disfa/SN001"."""
    home = next((home for prefix, home in homes(corpus).items() if subject.startswith(prefix)), corpus)
    return f"{home}/{subject}"


@cache
def homes(corpus: str) -> Mapping[str, str]:
    """Prefix of a corpus's ids -> the corpus whose people they are; empty for a corpus of its own people or an unknown one."""
    return reader_class(corpus).shares_subjects_with if corpus in READERS else {}


def people_of(data) -> set[Person]:
    """(corpus, subject) of everybody in some data, read without touching an image.

    Args:
        data: a `datasets.Dataset` with the columns "corpus" and "subject", a DatasetDict of such, an iterable of pairs, or an
            iterable of any of these.

    Raises:
        TypeError: it is nothing of the kind, for instance a stream, whose people are known only at its end.
        CorpusError: a dataset lacks the two columns.
    """
    return set(_pairs(data))


def shared_people(first, second) -> dict[str, tuple[set[Person], set[Person]]]:
    """Name of everybody who is in both -> who they are in the first and in the second. Arguments as for `people_of`."""
    ours, theirs = _by_person(people_of(first)), _by_person(people_of(second))
    return {name: (ours[name], theirs[name]) for name in sorted(ours.keys() & theirs.keys(), key=natural_key)}


def refuse_leaks(train, test) -> None:
    """Nothing, if nobody is in both.

    Args:
        train, test: as for `people_of`. For a validation set too.

    Raises:
        LeakError: somebody is; the message names them and what to pass to leave them out.
    """
    shared = shared_people(train, test)
    if not shared:
        return
    trained = subjects_by_corpus(chain.from_iterable(ours for ours, _ in shared.values()))
    tested = subjects_by_corpus(chain.from_iterable(theirs for _, theirs in shared.values()))
    count = f"{len(shared)} {'person is' if len(shared) == 1 else 'people are'}"
    out = "; ".join(f"for {corpus}, exclude_subjects={subjects}" for corpus, subjects in trained.items())
    raise LeakError(
        f"{count} in training and in test data: {listing(trained)} (train) and {listing(tested)} (test) are the same. Scores on "
        f"people seen in training say nothing of others. Leave them out of the training data: {out}. Or take both sides from folds "
        "of one number, such as fold=1 with split='train' and split='test'"
    )


def _pairs(data) -> Iterator[Person]:
    if isinstance(data, Mapping):  # a DatasetDict
        yield from chain.from_iterable(map(_pairs, data.values()))
    elif hasattr(data, "select_columns"):
        yield from _pairs_of_rows(data)
    elif isinstance(data, str):
        raise TypeError(f"{data!r} is text: expected a dataset, or pairs such as ('disfa', 'SN001')")
    elif isinstance(data, Iterable):
        for item in data:
            if isinstance(item, tuple) and len(item) == 2 and all(isinstance(part, str) for part in item):
                yield item
            else:
                yield from _pairs(item)
    else:
        raise TypeError(f"{type(data).__name__}: expected a dataset, or pairs such as ('disfa', 'SN001')")


def _pairs_of_rows(rows) -> Iterator[Person]:
    """Of a Dataset: the two columns alone, a batch at a time, so that memory does not grow with the rows."""
    if not hasattr(rows, "num_rows"):
        raise TypeError(
            "a stream says who is in it only at its end: give the people instead, such as "
            "[(reader.name, subject) for subject in reader.subjects()]"
        )
    if missing := {"corpus", "subject"}.difference(rows.column_names or ()):
        raise CorpusError(
            f"a dataset without the column {' and '.join(sorted(missing))} (it has {', '.join(rows.column_names or ())}) does not "
            "say who is in it: check for leaks before the columns are removed"
        )
    columns = rows.select_columns(["corpus", "subject"]).with_format("arrow")
    for table in columns.iter(batch_size=_ROWS_AT_ONCE):
        unique = table.group_by(["corpus", "subject"]).aggregate([])
        yield from zip(unique["corpus"].to_pylist(), unique["subject"].to_pylist(), strict=True)


def _by_person(people: set[Person]) -> dict[str, set[Person]]:
    found: dict[str, set[Person]] = {}
    for corpus, subject in people:
        found.setdefault(person(corpus, subject), set()).add((corpus, subject))
    return found


def subjects_by_corpus(people: Iterable[Person]) -> dict[str, list[str]]:
    """Corpus -> its subjects among these people, in natural order."""
    found: dict[str, list[str]] = {}
    for corpus, subject in sorted(set(people), key=lambda pair: (pair[0], natural_key(pair[1]))):
        found.setdefault(corpus, []).append(subject)
    return found


def listing(by_corpus: Mapping[str, list[str]]) -> str:
    """For a message: "disfa SN001, SN002; feafa PV001"."""
    return "; ".join(f"{corpus} {', '.join(subjects)}" for corpus, subjects in by_corpus.items())
