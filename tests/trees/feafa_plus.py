"""A small FEAFA+ on disk. The pictures of its part B are those of `trees.disfa`, whose subjects it has."""

from pathlib import Path

from trees import disfa, feafa

SUBJECTS_B = disfa.SUBJECTS


def make(root: Path, part: str = "both", frames: int = 4, subjects_b: tuple[str, ...] = SUBJECTS_B, **options) -> Path:
    """FEAFA-A, FEAFA-B or both below `root`, which is the data_dir. Part B has labels only, from frame 0.

    `options` go to `feafa.make`, which writes part A.
    """
    if part in ("both", "A"):
        feafa.make(root, frames=frames, **options)
    if part in ("both", "B"):
        for subject in subjects_b:
            for frame in range(frames):
                path = root / "FEAFA-B" / f"{subject}.output" / f"{frame:08d}.auw"
                feafa.write_label(path, feafa.values_of(subject, frame))
    return root
