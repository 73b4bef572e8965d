"""How every benchmark ends: a table on the terminal, the same in benchmarks/results/, and one JSON object as the last line."""

import json
import math
import subprocess
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def report(
    name: str,
    title: str,
    figures: dict[str, float],
    targets: dict[str, tuple[str, float]] | None = None,
    details: str = "",
    write: bool = True,
) -> Path | None:
    """Print the figures and write benchmarks/results/<date>-<commit>-<name>.md.

    Args:
        name: of the benchmark, for the file.
        title: one line that says on what the figures were measured.
        figures: name -> figure; NaN, null in the JSON, for what could not be measured.
        targets: name -> ("at most" or "at least", number), shown beside the figure.
        details: Markdown that is put below the figures.
        write: whether to write the file.

    Returns:
        The file, if written.
    """
    columns = ("figure", "value", "target") if targets else ("figure", "value")
    rows = [
        (figure, f"{value:g}", _against(value, targets.get(figure))) if targets else (figure, f"{value:g}")
        for figure, value in figures.items()
    ]
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    if details:
        console.print(details, markup=False, highlight=False, soft_wrap=True)
    path = None
    if write:
        path = RESULTS / f"{date.today()}-{_commit() or 'no-commit'}-{name}.md"
        RESULTS.mkdir(exist_ok=True)
        path.write_text("\n\n".join(filter(None, (f"# {title}", markdown_table(columns, rows), details))) + "\n")
    print(json.dumps({figure: None if math.isnan(value) else value for figure, value in figures.items()}))
    return path


def markdown_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(columns)}", *lines[1:]])


def _against(value: float, target: tuple[str, float] | None) -> str:
    if target is None:
        return ""
    side, bound = target
    if math.isnan(value):
        return f"{side} {bound:g}: not measured"
    return f"{side} {bound:g}: {'met' if (value <= bound if side == 'at most' else value >= bound) else 'missed'}"


def _commit() -> str:
    git = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(git, cwd=RESULTS.parent, capture_output=True, text=True, check=False).stdout.strip()
