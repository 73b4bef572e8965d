"""What a visitor may ask for: units, scale, mode and how faces are found, as controls and as checked values."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr

from aullava.action_units import PROTOCOLS, SCALES, Protocol, resolve_protocol
from aullava.space.recognizer import FACES, MODES

OWN_SCALE = "as published"
MODE_CHOICES = [
    ("joint", "joint"),
    ("parallel, faster", "parallel"),
]
FACE_CHOICES = [("find faces", "auto"), ("whole picture", "none")]
LONGEST_NAME = 80  # characters of a file name that the page repeats
LONGEST_LIST, LONGEST_MESSAGE = 2000, 500  # characters of a list of units; of what is told about what was wrong

MODEL_QUEUE = {"concurrency_id": "model", "concurrency_limit": 2}  # so many readings at a time, of all visitors
HIDDEN = {"api_visibility": "private", "show_progress": "hidden"}  # what belongs to the page and not to the API


def protocol_controls(default: str = "disfa") -> tuple[gr.Dropdown, gr.Dropdown]:
    """Which units, as a corpus's protocol or a list, and on which scale."""
    choices = [(f"{name} ({len(p.units)}), {p.scale}", name) for name, p in PROTOCOLS.items()]
    units = gr.Dropdown(
        choices,
        value=default,
        label="Units",
        info="or type a list: AU1,AU4,AU12",
        allow_custom_value=True,
        min_width=200,
    )
    scale = gr.Dropdown(
        [OWN_SCALE, *SCALES], value=OWN_SCALE, label="Scale", info="present, level 0-5, or 0.00-1.00", min_width=200
    )
    return units, scale


def mode_control(default: str) -> gr.Dropdown:
    """How values are read."""
    info = "each value in turn, or all at once"
    return gr.Dropdown(MODE_CHOICES, value=default, label="Mode", info=info, min_width=200)


def asked_protocol(units: str, scale: str = OWN_SCALE) -> Protocol:
    """The protocol of what was chosen or typed.

    Raises:
        ValueError: no such protocol, unit or scale, or a list without an end.
    """
    if scale not in (OWN_SCALE, *SCALES):
        raise ValueError(f"scale {scale!r}: expected {OWN_SCALE!r}, {', '.join(map(repr, SCALES))}")
    asked = str(units or "").strip()
    if len(asked) > LONGEST_LIST:
        raise ValueError(f"units of {len(asked)} characters: expected a protocol, or a list such as AU1,AU4,AU12")
    protocol = resolve_protocol(asked)
    if scale in (OWN_SCALE, protocol.scale):
        return protocol
    return resolve_protocol(",".join(protocol.units), scale)


def reading_controls(mode: str = "joint") -> list[gr.Dropdown]:
    """What is asked of every picture and video: units, scale, mode, faces; `checked` takes their values."""
    with gr.Row():
        units, scale = protocol_controls()
        modes = mode_control(mode)
        faces = gr.Dropdown(
            FACE_CHOICES, value="auto", label="Faces", info="to be found, or filling the picture", min_width=200
        )
    return [units, scale, modes, faces]


def checked(units: str, scale: str, mode: str, faces: str = "auto") -> Protocol:
    """The protocol that is asked for; clients of the API may send what no control offers.

    Raises:
        ValueError: there is no such unit, scale, mode or way to find faces.
    """
    _check_choice("mode", mode, MODES)
    _check_choice("faces", faces, FACES)
    return asked_protocol(units, scale)


def _check_choice(what: str, given: str, choices: tuple[str, ...]) -> None:
    if given not in choices:
        raise ValueError(f"{what} {given!r}: expected {' or '.join(choices)}")


def number_input(value: float, **options) -> gr.Number:
    """A number that is handed on as it was sent: of a text in its place Gradio would tell nothing, and print a trace."""
    number = gr.Number(value, **options)
    number.preprocess = lambda payload: payload
    return number


def told_of_files(control: gr.File | gr.Image, expected: str = 'a file such as handle_file("face.png")'):
    """The same control; who sends it something else is told so. Gradio would tell nothing, and print a trace with file names."""
    model = control.data_model

    class Sent(model):
        model_config = {"title": model.__name__}  # what the API calls it

        @classmethod
        def model_validate(cls, obj, **options):
            try:
                return super().model_validate(obj, **options)
            except ValueError as error:  # of pydantic
                said = f"{control.label}: expected {expected}"
                raise gr.Error(said, title="Not read", print_exception=False) from error

    control.data_model = Sent
    return control


def number_of(what: str, given: object) -> float:
    """What a client of the API sent as a number.

    Raises:
        ValueError: it is none.
    """
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{what} {given!r}: expected a number")
    return number


def name_of(path: str) -> str:
    """What rows and messages call an uploaded file."""
    return os.path.basename(path)[-LONGEST_NAME:]


@contextmanager
def told_to_visitor() -> Iterator[None]:
    """Turns what a visitor did wrong into a message on the page, as text and never as markup, without a trace in the log."""
    try:
        yield
    except (ValueError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError):  # whose message names places of the server
            text = f"a file cannot be read or written here ({error.strerror or type(error).__name__})"
        if len(text) > LONGEST_MESSAGE:  # it may repeat what a visitor sent
            text = f"{text[: LONGEST_MESSAGE // 2]} ... {text[-(LONGEST_MESSAGE // 2) :]}"
        raise gr.Error(escape(text, quote=False), title="Not read", print_exception=False) from error
