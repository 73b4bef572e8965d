"""What a visitor takes home, a table as a file, as text, or as a link, and which files are swept away afterwards."""

import base64
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gradio.utils import get_upload_folder

from aullava.action_units import Protocol
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import Layout
from aullava.recognition.writers import Target, write_table


def folder_of_results() -> Path:
    """A new folder among the uploads. Files in it that are handed to a visitor are deleted with age, as uploads are."""
    return Path(tempfile.mkdtemp(dir=get_upload_folder()))


def csv_file(rows: Sequence[FaceRow], protocol: Protocol, folder: Path) -> Path:
    """The rows as `aullava recognize` writes them."""
    [written] = write_table(rows, Target.parse(folder / "readings.csv"), Layout((protocol,)))
    return written


def csv_of(rows: Sequence[FaceRow], protocol: Protocol) -> str:
    """The same as text. The file is gone when this returns."""
    with tempfile.TemporaryDirectory() as folder:
        return csv_file(rows, protocol, Path(folder)).read_text(encoding="utf-8", errors="surrogateescape")


def download_link(text: str, name: str) -> str:
    """A link whose address is the file, so that none lies on the server."""
    held = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
    return f'<a class="au-download" download="{name}" href="data:text/csv;base64,{held}">Download {name}</a>'


class LeftBehind(set):
    """Uploads that were broken off, and results of which an error kept the rest: under temporary names, and on no list of Gradio's.

    As one of `Blocks.temp_file_sets` it is gone through by every sweep, which deletes what is old enough.
    """

    def __iter__(self):
        unnamed = Path(get_upload_folder()).glob("tmp*")
        return (str(path) for found in unnamed for path in (found, *found.glob("*")) if path.is_file())
