"""Tab "Read a face": a picture from a file, the camera or the examples; its faces boxed, and every unit with a bar."""

import tempfile
from functools import cache
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.image_aullava import load_image
from aullava.space.asking import MODEL_QUEUE, OWN_SCALE, checked, name_of, reading_controls, told_to_visitor
from aullava.space.panels import SPEAK, boxed_picture, faces_panel
from aullava.space.recognizer import Recognizer

EMPTY = '<p class="au-hint">Choose a picture, use the camera, or click an example. Then click a unit to learn what it is.</p>'
# Gradio gives the pictures of its examples no name.
_NAME_EXAMPLES = """
const tab = element.closest('[role=tabpanel]');
const name = () => tab.querySelectorAll('.gallery-item').forEach((item, number) => {
  item.setAttribute('aria-label', `Read example ${number + 1}`);
});
new MutationObserver(name).observe(tab, {childList: true, subtree: true});
name();
"""
_SINGLE, _TOGETHER = (7, 21, 4), (32, 27, 12)  # test identities on the example pictures


def picture_input(**options) -> gr.Image:
    """A picture that is handed on as the file that was uploaded.

    gr.Image would open it first, with a trace where it is no picture, and perhaps encode it anew, so that other pixels were
    read than `aullava recognize` reads. For a subclass, Gradio would write a stub file beside this one.
    """
    picture = gr.Image(type="filepath", image_mode=None, **options)
    picture.preprocess = lambda payload: payload and payload.path
    return picture


@cache
def _examples_folder() -> tempfile.TemporaryDirectory:
    """Drawn pictures for the time that the program runs."""
    folder = tempfile.TemporaryDirectory(prefix="aullava-examples-")
    faces = {index: sample_face("test", index, size=288).image_HWC for index in _SINGLE + _TOGETHER}
    for number, index in enumerate(_SINGLE, 1):
        Image.fromarray(faces[index]).save(Path(folder.name, f"face-{number}.png"))
    gap_HWC = np.full((288, 24, 3), 228, np.uint8)
    row = [part for index in _TOGETHER for part in (gap_HWC, faces[index])] + [gap_HWC]
    Image.fromarray(np.hstack(row)).save(Path(folder.name, "three-faces.png"))
    return folder


def examples() -> list[str]:
    """Paths of the example pictures."""
    return sorted(str(path) for path in Path(_examples_folder().name).iterdir())


def read_tab(recognizer: Recognizer) -> None:
    """Build the tab."""

    def read(path: str | None, units: str, scale: str, mode: str, faces: str) -> tuple[str, str]:
        if not path:
            return "", ""
        with told_to_visitor():
            protocol = checked(units, scale, mode, faces)
            rows = recognizer.rows(path, name_of(path), protocol, mode, faces)
            return boxed_picture(load_image(path), rows), faces_panel(rows, protocol)

    # The tab opens with a picture that was read, unless a GPU would have to be borrowed for it.
    shown = ("", "") if recognizer.model.on_loan else read(examples()[-1], "disfa", OWN_SCALE, "joint", "auto")
    gr.HTML(EMPTY)
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            picture = picture_input(
                sources=["upload", "webcam", "clipboard"],
                label="Picture",
                height=260,
                webcam_options=gr.WebcamOptions(mirror=False),  # a mirror image has its left on the right
            )
            gr.Examples(
                [[path] for path in examples()],
                picture,
                label="Examples, drawn by a program",
                api_visibility="private",
            )
            controls = reading_controls()
        with gr.Column(scale=7, min_width=320):
            boxed = gr.HTML(shown[0], elem_id="boxed")
            panel = gr.HTML(shown[1], elem_id="reading", js_on_load=SPEAK + _NAME_EXAMPLES)
    asked = [picture, *controls]
    done = gr.on(
        [control.change for control in asked], read, asked, [boxed, panel], trigger_mode="always_last", **MODEL_QUEUE,
        api_visibility="private",
    )  # fmt: skip
    # What was read of another picture, or of other units, must not stand below this one.
    done.failure(None, None, [boxed, panel], js="() => ['', '']", api_visibility="private")
