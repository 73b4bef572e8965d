"""A small UNBC-McMaster on disk, in the documented layout; the labels are made up."""

from pathlib import Path

from trees.feafa import write_picture

SUBJECTS = ("042-ll042", "043-jh043", "047-jl047")
SEQUENCES = ("t1aaaff", "t2aaaff")


def facs_text(rows: list[tuple[float, ...]]) -> str:
    """Rows as the label files write them: scientific notation behind leading spaces."""
    return "".join("".join(f"   {cell:.7e}" for cell in row) + "\r\n" for row in rows)


def rows_of(frame: int) -> list[tuple[float, ...]]:
    """Frame 1, 4, ... neutral, 2, 5, ... AU4 at 2 and AU43, 3, 6, ... AU6 and AU12 at 3 and 5."""
    return [[], [(4, 2, 0, 0), (43, 1, 0, 0)], [(6, 3, 0, 0), (12, 5, 1, 2)]][(frame - 1) % 3]


def make(root: Path, subjects: tuple[str, ...] = SUBJECTS, frames: int = 4) -> Path:
    """Images, Frame_Labels/FACS and Frame_Labels/PSPI below `root`, which is the data_dir; frames from 1."""
    for subject in subjects:
        for ending in SEQUENCES:
            sequence = subject.split("-")[1] + ending
            for frame in range(1, frames + 1):
                stem = f"{sequence}{frame:03d}"
                write_picture(root / "Images" / subject / sequence / f"{stem}.png", frame)
                for kind, text in (("FACS", facs_text(rows_of(frame))), ("PSPI", "   0.0000000e+00\r\n")):
                    path = root / "Frame_Labels" / kind / subject / sequence / f"{stem}_facs.txt"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(text.encode())
    return root
