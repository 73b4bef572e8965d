"""`aullava space`: write the folder of a Hugging Face Space."""

import argparse
from pathlib import Path

from aullava.commands.errors import UsageError, path

HELP = "write the folder of a Hugging Face Space: program, page, requirements, wheel"
DESCRIPTION = (
    "Write the folder of a Hugging Face Space: its program, its page, requirements and the wheel of this project, which is built "
    "from a clone. Exit code 0: written. 2: bad usage."
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=path, metavar="FOLDER", help="new or empty folder")
    parser.add_argument(
        "--repo",
        metavar="ORG/NAME",
        help="the Space that the folder will be uploaded to; its wheel will be installed from there",
    )


def run(args: argparse.Namespace) -> int:
    return write(args.folder, args.repo)


def write(folder: Path, repo: str | None) -> int:
    """Write the folder and print its files.

    Raises:
        UsageError: as `write_space`.
    """
    from aullava.space.folder import write_space

    try:
        print(*write_space(folder, repo), sep="\n")
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    return 0
