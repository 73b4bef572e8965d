"""`aullava recognize` after everything is read: the table, what was run, series, plots, overlays."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd
from rich.table import Table

from aullava.analysis.activity import activity, activity_table, co_occurrence, pairs_path, write_frame
from aullava.analysis.blendshapes import NOT_READ, to_blendshapes
from aullava.commands.recognize_job import Job
from aullava.common.files import replace_file
from aullava.recognition.inputs import Failure
from aullava.recognition.overlay import write_overlays
from aullava.recognition.rows import FaceRow
from aullava.recognition.sidecar import Circumstances, sidecar_path, write_sidecar
from aullava.recognition.summary import Summary
from aullava.recognition.writers import CsvLines, write_table

Rows = Callable[[], Iterable[FaceRow]]  # all rows from the first one on; may be called again


class Results:
    """Writes what was asked for, one output after the other; what cannot be written is a failure and ends none of the others.

    Attributes:
        summary: counts of the rows, once the table was written or `count` was called.
        failures: inputs, readings and outputs, in this order as they are met.
        written: what was written, in words.
        kept: whether rows have to be kept, because the table, series or metadata could not be written.
    """

    def __init__(self, job: Job, failures: Iterable[Failure]):
        self.job, self.failures = job, list(failures)
        self.summary = Summary(job.layout)
        self.written: list[str] = []
        self.kept = False
        self._invalid: Counter[str] = Counter()
        self._activity: list[pd.DataFrame] = []

    def count(self, rows: Iterable[FaceRow]) -> Iterator[FaceRow]:
        """The same rows, counted as they pass."""
        for row in self.summary.watch(rows):
            if row.status == "invalid":
                self._invalid[row.input] += 1
            yield row

    def write(self, rows: Rows) -> None:
        """All outputs of the request."""
        asked = self.job.request
        tabled = bool(self.job.target) and self._write(self._write_table, rows)
        if not self.job.target:
            for _ in self.count(rows()):
                pass
        self.tell_bad_frames()
        if asked.summary or asked.blendshapes or asked.plot or self.summary.films:
            self._write(self._write_series, rows)
        if asked.overlay:
            kinds = {source.name: source.kind for source in self.job.inputs.sources}
            pictures = write_overlays(rows, asked.overlay, self.job.layout.protocols, self.failures, kinds)
            self.written.append(f"{counted(sum(1 for _ in pictures), 'overlay')} in {asked.overlay}")
        if tabled:
            self._write(self._write_sidecar)

    def table(self) -> Table:
        """What to show on the terminal: activity over time where there are videos, else the first rows."""
        return activity_table(pd.concat(self._activity)) if self._activity else self.summary.table()

    def tell_bad_frames(self) -> None:
        """Frames that were not decoded and answers that are none become failures, one an input."""
        for name, counts in self.summary.films:
            if counts.unreadable:
                reason = f"{counts.unreadable} of {counts.frames} frames could not be decoded; their rows are empty"
                self.failures.append(Failure(Path(name), reason))
        for name, number in self._invalid.items():
            reason = f"the model wrote no valid answer for {counted(number, 'face')}"
            self.failures.append(Failure(Path(name), reason))

    def _write(self, write: Callable, *arguments) -> bool:
        """Whether it could be written."""
        try:
            write(*arguments)
        except OSError as error:
            self.kept = True
            # Of a failed renaming the second name is the one that was asked for.
            path = error.filename2 or error.filename or self.job.place.parent
            self.failures.append(Failure(Path(path), f"not written: {error.strerror or error}"))
            return False
        return True

    def _write_table(self, rows: Rows) -> None:
        target, job = self.job.target, self.job
        try:
            files = write_table(self.count(rows()), target, job.layout, job.transform, job.names)
        except OSError:
            self.summary = Summary(job.layout)  # it may have counted half of the rows
            self._invalid.clear()
            for _ in self.count(rows()):
                pass
            raise
        where = target.path if target.one_an_input else files[0]
        self.written.append(f"{counted(self.summary.rows, 'row')} in {where}")

    def _write_sidecar(self) -> None:
        job = self.job
        asked = vars(job.request).items()
        options = {name: value for name, value in asked if value not in (None, ()) and value is not False}
        run = Circumstances(
            options,
            job.identity,
            job.layout,
            job.settings.mode,
            job.framing,
            job.trained_framing,
            job.device,
            job.started,
        )
        notes = list(job.transform.notes) if job.transform else []
        if job.request.blendshapes:
            notes.append(f"blendshapes that are not read, and have no column: {', '.join(NOT_READ)}")
        write_sidecar(sidecar_path(job.target), run, self.summary, self.failures, notes)

    def _write_series(self, rows: Rows) -> None:
        """Activity, blendshapes and plots from one pass over the tables of the inputs."""
        asked, names = self.job.request, self.job.names
        together, plots = [], []
        films = {name for name, _ in self.summary.films}

        def tables() -> Iterator[pd.DataFrame]:
            wanted = (row for row in rows() if asked.blendshapes or row.input in films)
            for table in self.job.layout.inputs(wanted, self.job.transform):
                name = table["input"].iloc[0]
                if name in films:
                    self._activity.append(activity(table))
                if name in films and asked.summary:
                    together.append(co_occurrence(table))
                if name in films and asked.plot:
                    from aullava.analysis.plots import write_plots

                    plots.extend(write_plots(table, asked.plot, names.stem(name)))
                yield table

        if asked.blendshapes:
            replace_file(asked.blendshapes, lambda temporary: _write_blendshapes(tables(), temporary))
            self.written.append(f"blendshapes in {asked.blendshapes}")
        else:
            for _ in tables():
                pass
        if asked.summary:
            empty = self.job.layout.frame([])  # of inputs that could not be read the names of the columns stand alone
            self._activity, together = self._activity or [activity(empty)], together or [co_occurrence(empty)]
            pairs = pairs_path(asked.summary)
            write_frame(pd.concat(self._activity), asked.summary)
            write_frame(pd.concat(together), pairs)
            self.written.append(f"activity in {asked.summary} and {pairs.name}")
        if asked.plot:
            self.written.append(
                f"{counted(len(plots), 'plot')} in {asked.plot}" + ("" if films else ": no input has several frames")
            )


def _write_blendshapes(tables: Iterable[pd.DataFrame], path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        for number, table in enumerate(tables):
            shapes = to_blendshapes(table)
            shapes.to_csv(CsvLines(file), index=False, header=number == 0, lineterminator="\r\n")


def counted(number: int, noun: str) -> str:
    """ "1 row", "2 rows"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
