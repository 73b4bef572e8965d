"""Tab "Batch": several pictures, one table, and the file that `aullava recognize --out` would write."""

from collections.abc import Sequence
from html import escape

import gradio as gr
import pandas as pd

from aullava.action_units import Protocol
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import Layout
from aullava.space.asking import MODEL_QUEUE, checked, name_of, reading_controls, told_to_visitor
from aullava.space.panels import SPEAK, notice
from aullava.space.recognizer import Recognizer
from aullava.space.results import csv_of, download_link

MOST_FILES = 100
_SHOWN_HEAD = ("input", "face_id", "status")


def read_files(
    recognizer: Recognizer,
    paths: Sequence[str],
    protocol: Protocol,
    mode: str,
    faces: str,
    progress=lambda done, of: None,
) -> tuple[list[FaceRow], list[str]]:
    """The rows of all pictures, and a sentence for each file that could not be read.

    Raises:
        ValueError: no file, or more than `MOST_FILES`.
    """
    if not 0 < len(paths) <= MOST_FILES:
        raise ValueError(f"{len(paths)} files: expected 1 to {MOST_FILES} pictures at a time")
    rows, failures = [], []
    for number, path in enumerate(paths):
        progress(number, len(paths))
        try:
            rows += recognizer.rows(path, name_of(path), protocol, mode, faces)
        except ValueError as error:
            failures.append(str(error))
    return rows, failures


def shown_table(rows: Sequence[FaceRow], protocol: Protocol) -> pd.DataFrame:
    """The columns of the file that a page has room for."""
    values = [protocol.column(code) for code in protocol.units]
    return Layout((protocol,)).frame(rows)[[*_SHOWN_HEAD, *values]].astype(object)


def batch_tab(recognizer: Recognizer) -> None:
    """Build the tab."""

    def read_all(paths: list[str] | None, units: str, scale: str, mode: str, faces: str, progress=gr.Progress()):  # noqa: B008
        with told_to_visitor():
            protocol = checked(units, scale, mode, faces)
            rows, failures = read_files(
                recognizer, paths or [], protocol, mode, faces, lambda done, of: progress((done, of), unit="pictures")
            )
        found = sum(row.has_face for row in rows)
        said = f"{found} face{'' if found == 1 else 's'} in {len(paths) - len(failures)} of {len(paths)} pictures."
        faults = "".join(f"<li>{escape(failure)}</li>" for failure in failures)
        link = download_link(csv_of(rows, protocol), "readings.csv") if rows else ""
        told = f"{notice(said)}{f'<p>Not read:</p><ul>{faults}</ul>' if faults else ''}{link}"
        return told, gr.Dataframe(shown_table(rows, protocol), visible=bool(rows))

    gr.HTML(f'<p class="au-hint">Up to {MOST_FILES} pictures. The table and the file have one row a face.</p>')
    files = gr.File(file_count="multiple", type="filepath", label="Pictures", height=150)
    asked = reading_controls()
    start = gr.Button("Read the pictures", variant="primary")
    said = gr.HTML(elem_id="batch-result", js_on_load=SPEAK)
    table = gr.Dataframe(
        interactive=False, wrap=False, label="Readings", show_search="none", buttons=["fullscreen"], visible=False
    )
    start.click(read_all, [files, *asked], [said, table], **MODEL_QUEUE, api_visibility="private")
