"""The scale of the rendered faces as a table: `python -m aullava.dataset_builder.synthetic.rendered.levels`."""

from rich.console import Console
from rich.table import Table

from aullava.dataset_builder.synthetic.rendered.movements import level_table


def main() -> None:
    """Print where each unit is measured, how far its key vertices go at strength 1, and where its levels begin."""
    table = Table("unit", "measured at", "vertices", "strength 1", *(f"{n} from" for n in range(1, 6)))
    for code, place, keys, full, begins in level_table():
        ways = [f"{way:.3f}" for way in (full, *begins)]
        table.add_row(code, place, str(keys), *ways)
    console = Console(width=max(100, Console().width))
    console.print(table)
    console.print(
        "Ways are mean displacements of the vertices in interocular distances, from the face at rest, when nothing else acts. "
        "AU43: share of the opening between the lids that is closed.",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
