"""A small CK+ on disk, in the documented layout; the labels are made up."""

from pathlib import Path

from trees.feafa import write_picture
from trees.unbc import facs_text

SUBJECTS = ("S010", "S011", "S999")
PEAKS = {"001": 14, "002": 11}
ROWS = {"001": [(1, 3), (2, 0), (25, 5)], "002": [(4, 2), (17, 0)]}  # 0: present, intensity not given


def make(root: Path, subjects: tuple[str, ...] = SUBJECTS) -> Path:
    """FACS (peak frames) and cohn-kanade-images (the last three frames) below `root`, which is the data_dir."""
    for subject in subjects:
        for sequence, peak in PEAKS.items():
            for frame in range(peak - 2, peak + 1):
                stem = f"{subject}_{sequence}_{frame:08d}"
                write_picture(root / "cohn-kanade-images" / subject / sequence / f"{stem}.png", frame)
            path = root / "FACS" / subject / sequence / f"{stem}_facs.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(facs_text(ROWS[sequence]))
    return root
