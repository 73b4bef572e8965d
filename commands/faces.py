"""`aullava faces`: draw or render faces whose action units are known."""

import argparse
from pathlib import Path

from aullava.commands.errors import UsageError, positive

HELP = "draw faces whose action units are known"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="new folder for the images and labels.csv")
    parser.add_argument(
        "--style",
        choices=("drawn", "rendered"),
        default="drawn",
        help="drawn: flat drawings. rendered: heads in three dimensions; needs the extra heads (default: drawn)",
    )
    parser.add_argument(
        "--assets",
        type=Path,
        metavar="DIR",
        help="MakeHuman's CC0 assets for rendered faces: skins, hair, brows, eyes",
    )
    parser.add_argument("--count", type=positive, metavar="N", help="number of faces (default: 24; in a film 2)")
    parser.add_argument("--seed", type=int, metavar="S", help="the same seed gives the same faces (default: 0)")
    parser.add_argument("--sheet", action="store_true", help="write labelled contact sheets instead of single faces")
    parser.add_argument(
        "--film", action="store_true", help="write film.mp4, faces that move and act by a script, and labels.csv"
    )
    parser.add_argument("--seconds", type=float, metavar="T", help="length of the film (default: 20)")
    parser.add_argument("--rate", type=float, metavar="FPS", help="frames per second of the film (default: 10)")


def run(args: argparse.Namespace) -> int:
    given = {name: getattr(args, name) for name in ("count", "seed", "seconds", "rate")}
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        written = _draw(args, chosen)
    except (ValueError, OSError, ImportError) as error:  # ImportError: the extra that renders heads
        raise UsageError(str(error)) from error
    print(*written, sep="\n")
    return 0


def _draw(args: argparse.Namespace, chosen: dict) -> list[Path]:
    """Write sheets, a film or single faces; a flag that has no effect on the chosen kind is refused."""
    kind = "sheet" if args.sheet else "film" if args.film else "faces"
    if args.sheet and args.film:
        raise ValueError("--sheet and --film: give one of them")
    meant = {"sheet": (), "film": ("count", "seed", "seconds", "rate"), "faces": ("count", "seed")}[kind]
    if foreign := [f"--{name}" for name in chosen if name not in meant]:
        why = "the sheets are always the same" if args.sheet else "goes with --film"
        raise ValueError(f"{' and '.join(foreign)}: {why}; leave it out")
    if args.assets and args.style == "drawn":
        raise ValueError("--assets: goes with --style rendered; leave it out")
    if args.style == "rendered":
        from aullava.dataset_builder.synthetic.rendered.assets import load_library
        from aullava.dataset_builder.synthetic.rendered.film import write_film
        from aullava.dataset_builder.synthetic.rendered.sheets import write_faces, write_sheets

        chosen["library"] = load_library(args.assets)
    else:
        from aullava.dataset_builder.synthetic.drawn.film import write_film
        from aullava.dataset_builder.synthetic.drawn.sheets import write_faces, write_sheets
    if args.film:
        people = {"people": chosen.pop("count")} if "count" in chosen else {}
        return write_film(args.out_dir, **chosen, **people)
    return write_sheets(args.out_dir, **chosen) if args.sheet else [write_faces(args.out_dir, **chosen)]
