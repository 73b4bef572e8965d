"""Tab "Draw a face": sliders move the muscles of a drawn face, and the model reads it back."""

from dataclasses import dataclass, field
from html import escape

import gradio as gr
import numpy as np

from aullava.action_units import ACTION_UNITS, Protocol
from aullava.dataset_builder.synthetic.drawn import ACTIONS, DrawnFace, Scene, draw_face
from aullava.dataset_builder.synthetic.drawn.actions import SIDED_CODES
from aullava.dataset_builder.synthetic.drawn.samples import describe_face
from aullava.readout_aullava import AUReading
from aullava.recognition.rows import FaceRow
from aullava.space.asking import (
    HIDDEN,
    MODEL_QUEUE,
    OWN_SCALE,
    checked,
    mode_control,
    protocol_controls,
    told_to_visitor,
)
from aullava.space.panels import SPEAK, face_panel, notice
from aullava.space.recognizer import Recognizer
from aullava.space.units import data_uri

SHOWN_SIDE = 400  # pixels
PEOPLE = 1000  # identities of the test split that can be chosen
GROUPS = {
    "Brows": ("AU1", "AU2", "AU4"),
    "Eyes": ("AU5", "AU6", "AU7", "AU43"),
    "Nose and upper lip": ("AU9", "AU10"),
    "Mouth corners": ("AU12", "AU14", "AU15", "AU20"),
    "Lips": ("AU16", "AU18", "AU23", "AU24", "AU25", "AU28U", "AU28L"),
    "Chin, jaw and cheeks": ("AU17", "AU26", "AU27", "AD29", "AD30R", "AD30L", "AD34"),
}
OPEN_GROUPS = ("Mouth corners",)
_WHICH = {"AU28U": "upper", "AU28L": "lower", "AD30R": "right", "AD30L": "left"}


def _both(**strengths: float) -> dict[str, float]:
    """AU12=0.8 -> both sides of it; actions without sides as they are."""
    return {
        action: value
        for name, value in strengths.items()
        for action in ACTIONS
        if action in (name, f"{name}L", f"{name}R")
    }


PRESETS = {
    "At rest": {},
    "Smile": _both(AU6=0.7, AU12=0.85, AU25=0.6),
    "Half a smile": {"AU12L": 0.9, "AU6L": 0.4},
    "Brows up": _both(AU1=0.9, AU2=0.9, AU5=0.6),
    "Brows together": _both(AU4=0.9, AU7=0.5),
    "Wink": {"AU43R": 1.0, "AU6R": 0.5, "AU12R": 0.5},
    "Nose wrinkled": _both(AU9=0.9, AU4=0.4),
    "Jaw down": _both(AU25=0.8, AU26=0.9, AU5=0.3),
    "Pucker": _both(AU18=0.9),
}
FIRST_PRESET = "Smile"
_FIRST_ASKED = ("disfa", OWN_SCALE, "parallel")

# Whoever has a unit open keeps it open while the face moves.
_KEEP_OPEN = """
const open = new Set();
element.addEventListener('toggle', event => {
  const code = event.target.dataset && event.target.dataset.unit;
  if (code) event.target.open ? open.add(code) : open.delete(code);
}, true);
watch('value', () => element.querySelectorAll('details[data-unit]').forEach(unit => { unit.open = open.has(unit.dataset.unit); }));
"""


def drawn(person: int, actions: dict[str, float], side: int) -> DrawnFace:
    """An unseen identity, from the front, with the actions given."""
    if not 0 <= person < PEOPLE:
        raise ValueError(f"person {person}: expected a whole number from 0 to {PEOPLE - 1}")
    identity = describe_face("test", int(person)).identity
    return draw_face(identity, actions, Scene.neutral(), side)


def read_back(recognizer: Recognizer, person: int, actions: dict[str, float], protocol: Protocol, mode: str):
    """Draw at the size that the model looks at, and read.

    Returns:
        The drawn face, its true values under the protocol, and the reading.
    """
    face = drawn(person, actions, recognizer.side)
    truth = face.values(protocol)
    [reading] = recognizer.read([face.image_HWC], protocol, mode)
    return face, truth, reading


def compared(reading: AUReading, truth: dict[str, float], protocol: Protocol) -> str:
    """Truth beside reading as HTML."""
    heading = '<h2 class="au-title">Drawn, and read back</h2>'
    legend = '<p class="au-legend"><span><i class="au-truth"></i>drawn</span><span><i></i>read</span></p>'
    return heading + legend + face_panel(FaceRow("drawn face", 0, {protocol.name: reading}), protocol, truth)


def picture_of(face: DrawnFace, asked: dict[str, float]) -> str:
    """The face as HTML, and which of the sliders it does not follow because other actions exclude them."""
    left_out = [action for action, value in asked.items() if value and not face.actions[action]]
    note = "Drawn by a program; it shows nobody."
    if left_out:
        note = f"Not drawn, since a stronger action excludes it: {', '.join(left_out)}."
    acting = [f"{action} {value:.2f}" for action, value in face.actions.items() if value]
    alt = escape(f"A drawn face that shows {', '.join(acting) or 'no action unit'}")
    image = f'<img src="{data_uri(face.image_HWC)}" alt="{alt}">'
    return f'<figure class="au-drawn">{image}<figcaption>{note}</figcaption></figure>'


@dataclass
class Sliders:
    """The sliders in the order of `ACTIONS`, and those of two sides that may move together."""

    of_action: dict[str, gr.Slider] = field(default_factory=dict)

    @property
    def all(self) -> list[gr.Slider]:
        return [self.of_action[action] for action in ACTIONS]

    @property
    def pairs(self) -> list[tuple[gr.Slider, gr.Slider]]:
        return [(self.of_action[code + "L"], self.of_action[code + "R"]) for code in SIDED_CODES]

    def add(self, action: str, label: str) -> None:
        self.of_action[action] = gr.Slider(
            0, 1, value=PRESETS[FIRST_PRESET].get(action, 0), step=0.05, label=label, min_width=120, buttons=[]
        )


def draw_tab(recognizer: Recognizer) -> None:
    """Build the tab; the first face is drawn now, and read where that needs no GPU on loan, so that the page opens with one."""

    def draw_and_read(person: float, units: str, scale: str, mode: str, *strengths: float) -> tuple[str, str]:
        with told_to_visitor():
            protocol = checked(units, scale, mode)
            actions = dict(zip(ACTIONS, strengths, strict=True))
            face, truth, reading = read_back(recognizer, int(person), actions, protocol, mode)
            shown = drawn(int(person), actions, SHOWN_SIDE)
            return picture_of(shown, actions), compared(reading, truth, protocol)

    first = [PRESETS[FIRST_PRESET].get(action, 0.0) for action in ACTIONS]
    if recognizer.model.on_loan:  # there is no GPU yet, and no visitor whose quota would pay for it
        actions = dict(zip(ACTIONS, first, strict=True))
        picture_html = picture_of(drawn(0, actions, SHOWN_SIDE), actions)
        panel_html = notice("Move a muscle, and the face is read.")
    else:
        picture_html, panel_html = draw_and_read(0, *_FIRST_ASKED, *first)
    gr.HTML(
        '<p class="au-hint">Move a muscle. The program draws the face, the model reads it, and you see how well it did.</p>'
    )
    with gr.Row():
        with gr.Column(scale=4, min_width=280, elem_id="face-column"):
            picture = gr.HTML(picture_html, elem_id="drawn-face")
            with gr.Row():
                person = gr.Slider(0, PEOPLE - 1, value=0, step=1, label="Person", buttons=[], min_width=150)
                someone = gr.Button("Someone else", size="sm", min_width=110, elem_id="someone")
            with gr.Row(elem_id="presets"):
                presets = {name: gr.Button(name, size="sm", min_width=90) for name in PRESETS}
        with gr.Column(scale=4, min_width=300, elem_id="sliders"):
            together = gr.Checkbox(
                True, label="Move left and right together", info="Left and right are the drawn person's own."
            )
            sliders = _slider_groups()
        with gr.Column(scale=6, min_width=320):
            with gr.Row():
                units, scale = protocol_controls()
                mode = mode_control("parallel")
            panel = gr.HTML(panel_html, js_on_load=SPEAK + _KEEP_OPEN, elem_id="truth-and-reading")

    _wire(sliders, together, person, someone, presets)
    moved = [control.change for control in (person, units, scale, mode, *sliders.all)]
    gr.on(
        moved, draw_and_read, [person, units, scale, mode, *sliders.all], [picture, panel],
        trigger_mode="always_last", **MODEL_QUEUE, **HIDDEN,
    )  # fmt: skip


def _slider_groups() -> Sliders:
    sliders = Sliders()
    for heading, codes in GROUPS.items():
        with gr.Accordion(heading, open=heading in OPEN_GROUPS):
            for code in codes:
                if code not in SIDED_CODES:
                    sliders.add(code, _label(code))
                    continue
                gr.HTML(f'<p class="au-pair">{_label(code)}</p>')
                with gr.Row():  # the person's right is on the left of the picture
                    sliders.add(code + "R", f"{code} right")
                    sliders.add(code + "L", f"{code} left")
    return sliders


def _label(action: str) -> str:
    code = action.rstrip("LRU") if action in _WHICH else action
    which = f", {_WHICH[action]}" if action in _WHICH else ""
    return f"{code} {ACTION_UNITS[code].name}{which}"


def _wire(
    sliders: Sliders, together: gr.Checkbox, person: gr.Slider, someone: gr.Button, presets: dict[str, gr.Button]
) -> None:
    """What happens in the browser alone: pairs that move together, presets, another person."""
    follow = "(value, other, together) => together ? value : other"
    for left, right in sliders.pairs:
        left.input(None, [left, right, together], right, js=follow, api_visibility="private")
        right.input(None, [right, left, together], left, js=follow, api_visibility="private")
    for name, button in presets.items():
        values = np.round([PRESETS[name].get(action, 0.0) for action in ACTIONS], 2).tolist()
        button.click(None, None, sliders.all, js=f"() => {values}", api_visibility="private")
    someone.click(None, None, person, js=f"() => Math.floor(Math.random() * {PEOPLE})", api_visibility="private")
