"""How every benchmark ends: a table on the terminal, the same in benchmarks/results/, and one JSON object as the last line."""

import json
import subprocess
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def report(name: str, title: str, figures: dict[str, float]) -> Path:
    """Print the figures and write benchmarks/results/<date>-<commit>-<name>.md.

    Args:
        name: of the benchmark, for the file.
        title: one line that says on what the figures were measured.
        figures: name -> figure.

    Returns:
        The file.
    """
    table = Table("figure", "value", title=title, title_justify="left")
    for figure, value in figures.items():
        table.add_row(figure, f"{value:g}")
    Console().print(table)
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, cwd=RESULTS.parent, capture_output=True, text=True, check=False).stdout.strip()
    rows = "\n".join(f"| {figure} | {value:g} |" for figure, value in figures.items())
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{date.today()}-{commit or 'no-commit'}-{name}.md"
    path.write_text(f"# {title}\n\n| figure | value |\n|---|---|\n{rows}\n")
    print(json.dumps(figures))
    return path
