"""How drawn and rendered faces are numbered: split and index -> subject and frame.

Identity numbers of the splits are disjoint ranges: train from 0, validation from 10**9, test from 2 * 10**9.
"""

IDENTITIES_PER_SPLIT = 10**9
SPLITS = ("train", "validation", "test")


def subject_name(split: str, number: int) -> str:
    """The name of a split's identity, such as "train-000017"."""
    return f"{split}-{number:06d}"


def place_of(split: str, index: int, seed: int, frames_per_identity: int) -> tuple[str, int, int]:
    """Where a face stands in the stream: its subject's name, identity number over all splits, and frame of that identity.

    Args:
        split: "train", "validation" or "test". index: number of the face, from 0. seed: 0 or more.
        frames_per_identity: consecutive faces that share a subject.

    Raises:
        ValueError: an unknown split, or a number out of its range.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; the splits are {', '.join(SPLITS)}")
    if index < 0 or seed < 0 or frames_per_identity < 1:
        raise ValueError(
            f"index {index} and seed {seed} must be 0 or more and frames_per_identity {frames_per_identity} 1 or more"
        )
    number, frame = divmod(index, frames_per_identity)
    if number >= IDENTITIES_PER_SPLIT:
        raise ValueError(f"identity {number} is out of range: a split has {IDENTITIES_PER_SPLIT} identities")
    return subject_name(split, number), SPLITS.index(split) * IDENTITIES_PER_SPLIT + number, frame
