"""What a checkpoint reads of public photographs; see photographs/README.md.

    python benchmarks/read_photographs.py --photographs DIR [--checkpoint DIR]

DIR is what benchmarks/photographs/fetch.py wrote. Without it every figure is "not measured here".
"""

import argparse
from pathlib import Path

from parts.embedded_readings import Reader
from parts.photographs import measure_photographs, photograph_table
from reporting import markdown_table, report

from aullava.checkpoint.load import load_checkpoint
from aullava.detection.framing import Framing
from aullava.release import embedded_checkpoint

TARGETS = {
    "photo_mean_auc": ("at least", 0.95),
    "photo_min_auc": ("at least", 0.85),
    "photo_f1": ("at least", 0.68),
    "photo_found": ("at least", 0.97),
    "photo_false": ("at most", 0.05),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, metavar="DIR", help="the folder of photographs/fetch.py")
    parser.add_argument("--checkpoint", type=Path, help="default: the embedded checkpoint")
    parser.add_argument("--mode", default="joint", choices=("joint", "parallel"), help="how values are read")
    parser.add_argument("--trial", action="store_true", help="write no table to benchmarks/results/")
    arguments = parser.parse_args()
    checkpoint = arguments.checkpoint or embedded_checkpoint()
    if arguments.photographs is None:
        figures, details = (
            dict.fromkeys(TARGETS, float("nan")),
            "Photographs: not measured here; see benchmarks/photographs.",
        )
    else:
        reader = Reader(*load_checkpoint(checkpoint, "cpu"), arguments.mode)
        scores = measure_photographs(reader, arguments.photographs, Framing(**reader.model.config.framing))
        figures = {name: round(value, 4) for name, value in scores.figures.items()}
        details = photograph_table(scores, markdown_table)
    report(
        "read_photographs",
        f"Public photographs, one rater, not certified, read by {checkpoint.name} in mode {arguments.mode}",
        figures,
        TARGETS,
        details,
        write=not arguments.trial and arguments.photographs is not None,
    )


if __name__ == "__main__":
    main()
