"""The Space: see the model read a face.

    python -m aullava.space.app        # http://127.0.0.1:7860

AULLAVA_CHECKPOINT names another checkpoint than the embedded one, as a folder or a Hub id. GRADIO_SERVER_NAME and
GRADIO_SERVER_PORT are Gradio's own. This file is also the `app.py` of a Hugging Face Space, where the package is installed.
"""

import os
import sys
import tempfile
from html import escape
from importlib.util import find_spec

import gradio as gr

from aullava.space.api import add_endpoints
from aullava.space.recognizer import Recognizer, load_recognizer
from aullava.space.results import LeftBehind
from aullava.space.tab_about import about_tab
from aullava.space.tab_batch import batch_tab
from aullava.space.tab_draw import draw_tab
from aullava.space.tab_read import read_tab
from aullava.space.tab_video import video_tab
from aullava.space.theme import style, theme

TITLE = "AU-LLaVA: facial action units as text"
LARGEST_FILE = "50mb"
SESSIONS = 50  # of visitors that Gradio remembers, at a third of a megabyte; it needs nothing of who was forgotten
WAITING = 40  # visitors' requests that may wait; who comes later is told that the page is busy
SWEEP, KEPT = 600, 1800  # seconds: how often, and from which age on, uploaded files are deleted


def build_demo(recognizer: Recognizer) -> gr.Blocks:
    """The page. Launch it with `launch_options()`."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(SWEEP, KEPT)) as demo:
        gr.HTML(_head(recognizer))
        for name, build in {
            "Draw a face": draw_tab,
            "Read a face": read_tab,
            "Video": video_tab,
            "Batch": batch_tab,
            "About": about_tab,
        }.items():
            with gr.Tab(name):
                build(recognizer)
        add_endpoints(recognizer)
    demo.temp_file_sets.append(LeftBehind())
    return demo.queue(max_size=WAITING)


def launch_options() -> dict:
    """What `launch` must know: looks, limits, and nothing sent elsewhere."""
    return {
        "theme": theme(),
        "css": style(),
        "max_file_size": LARGEST_FILE,
        "state_session_capacity": SESSIONS,
        "share": False,
        "show_error": False,
        "ssr_mode": False,
        "footer_links": ["api"],
        "run_history": False,
        "mcp_server": find_spec("mcp") is not None,  # the same endpoints as tools; comes with gradio[mcp]
    }


def _head(recognizer: Recognizer) -> str:
    warning = (
        '<p class="au-warning">This checkpoint was trained on drawn faces only. It reads drawn faces; of photographs of '
        "people it knows nothing.</p>"
    )
    return (
        '<header class="au-head"><h1>See it read a face</h1><p>An action unit is one visible movement of the muscles of a '
        "face: AU12 pulls the corners of the lips up. This model looks at a face and writes down each unit and how strong "
        f"it is, as text: <code>AU12=3</code>. Checkpoint: <code>{escape(recognizer.name)}</code></p>"
        f"{warning if recognizer.drawn_only else ''}</header>"
    )


def main() -> int:
    """Load the checkpoint and serve the page until it is stopped."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        recognizer = load_recognizer(os.environ.get("AULLAVA_CHECKPOINT"))
    except ValueError as error:
        print(f"aullava space: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="aullava-space-") as uploads:
        # Gradio's own folder is one for all its programs, whose uploads are not ours to delete.
        os.environ.setdefault("GRADIO_TEMP_DIR", uploads)
        build_demo(recognizer).launch(**launch_options())
    return 0


if __name__ == "__main__":
    sys.exit(main())
