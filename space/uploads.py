"""Files of visitors that Gradio's own sweep, `delete_cache`, does not know of."""

from pathlib import Path

from gradio.utils import get_upload_folder


class LeftBehind(set):
    """Uploads that were broken off, and results of which an error kept the rest: under temporary names, and on no list of Gradio's.

    As one of `Blocks.temp_file_sets` it is gone through by every sweep, which deletes what is old enough.
    """

    def __iter__(self):
        unnamed = Path(get_upload_folder()).glob("tmp*")
        return (str(path) for found in unnamed for path in (found, *found.glob("*")) if path.is_file())
