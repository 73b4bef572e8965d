"""Activity, blendshapes and plots of every input, written in one pass over the tables of the inputs."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from aullava.analysis.activity import activity, co_occurrence, pairs_path, write_frame
from aullava.analysis.blendshapes import to_blendshapes
from aullava.analysis.transform import Transform
from aullava.common.files import replace_file
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import Layout
from aullava.recognition.writers import CsvLines


@dataclass
class SeriesOutputs:
    """The outputs that are asked for, and those that were written.

    Args:
        layout, transform: of the tables.
        films: names of the inputs with several frames. stem: name of an input -> stem of its plots' file names.
        summary, blendshapes: files. plot: a folder. None: not asked for.

    Attributes:
        activity: one table per film, after `write`.
        written: the outputs written, in words.
    """

    layout: Layout
    transform: Transform | None
    films: Collection[str]
    stem: Callable[[str], str]
    summary: Path | None = None
    blendshapes: Path | None = None
    plot: Path | None = None
    activity: list[pd.DataFrame] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def write(self, rows: Iterable[FaceRow]) -> None:
        """Write the outputs.

        Args:
            rows: those of one input come together.

        Raises:
            OSError: an output cannot be written; `written` holds the others.
        """
        pairs, plots = [], []

        def tables() -> Iterator[pd.DataFrame]:
            wanted = (row for row in rows if self.blendshapes or row.input in self.films)
            for table in self.layout.inputs(wanted, self.transform):
                name = table["input"].iloc[0]
                if name in self.films:
                    self.activity.append(activity(table))
                if name in self.films and self.summary:
                    pairs.append(co_occurrence(table))
                if name in self.films and self.plot:
                    from aullava.analysis.plots import write_plots

                    plots.extend(write_plots(table, self.plot, self.stem(name)))
                yield table

        if self.blendshapes:
            replace_file(self.blendshapes, lambda temporary: _write_blendshapes(tables(), temporary))
            self.written.append(f"blendshapes in {self.blendshapes}")
        else:
            for _ in tables():
                pass
        if self.summary:
            empty = self.layout.frame([])  # if no input could be read, the files hold the names of the columns alone
            self.activity = self.activity or [activity(empty)]
            write_frame(pd.concat(self.activity), self.summary)
            write_frame(pd.concat(pairs or [co_occurrence(empty)]), pairs_path(self.summary))
            self.written.append(f"activity in {self.summary} and {pairs_path(self.summary).name}")
        if self.plot:
            count = f"{len(plots)} plot{'' if len(plots) == 1 else 's'} in {self.plot}"
            self.written.append(count if self.films else f"{count}: no input has several frames")


def _write_blendshapes(tables: Iterable[pd.DataFrame], path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        for number, table in enumerate(tables):
            shapes = to_blendshapes(table)
            shapes.to_csv(CsvLines(file), index=False, header=number == 0, lineterminator="\r\n")
