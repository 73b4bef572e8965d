"""The named endpoints, for `gradio_client` and MCP: plain typed values in, JSON out. Their docstrings are their documentation."""

import re

import gradio as gr

from aullava.action_units import PROTOCOLS, Protocol, unit
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import present_probability, rounded
from aullava.space.asking import (
    MODEL_QUEUE,
    OWN_SCALE,
    checked,
    name_of,
    number_input,
    number_of,
    told_of_files,
    told_to_visitor,
)
from aullava.space.recognizer import Recognizer
from aullava.space.results import csv_file, csv_of, folder_of_results
from aullava.space.tab_batch import read_files
from aullava.space.tab_draw import read_back
from aullava.space.tab_read import picture_input
from aullava.space.tab_video import overlay_of, plot_files, watch
from aullava.space.units import data_uri


def add_endpoints(recognizer: Recognizer) -> None:
    """Add the endpoints to the Blocks that is being built; none of them shows on the page."""

    def read_face(
        picture: str, units: str = "disfa", scale: str = OWN_SCALE, mode: str = "joint", faces: str = "auto"
    ) -> dict:
        """Read the facial action units of every face of a picture.

        Args:
            picture: an image file.
            units: a protocol such as bp4d, disfa or feafa, or a list such as AU1,AU4,AU12.
            scale: "as published", occurrence (0 or 1), intensity (0 to 5) or continuous (0.00 to 1.00).
            mode: joint (each value sees those before it) or parallel (all in one pass, fastest).
            faces: auto (found and cropped as in the model's training) or none (the whole picture is one face).
        """
        with told_to_visitor():
            if not picture:
                raise ValueError("no picture was given")
            protocol = checked(units, scale, mode, faces)
            rows = recognizer.rows(picture, name_of(picture), protocol, mode, faces)
            return _described(protocol) | {"faces": [_as_json(row, protocol) for row in rows if row.has_face]}

    def read_batch(
        pictures: list[str], units: str = "disfa", scale: str = OWN_SCALE, mode: str = "joint", faces: str = "auto"
    ) -> dict:
        """Read several pictures into one table.

        Args:
            pictures: image files.
            units: a protocol such as bp4d, disfa or feafa, or a list such as AU1,AU4,AU12.
            scale: "as published", occurrence (0 or 1), intensity (0 to 5) or continuous (0.00 to 1.00).
            mode: joint (each value sees those before it) or parallel (all in one pass, fastest).
            faces: auto (found and cropped as in the model's training) or none (the whole picture is one face).
        """
        with told_to_visitor():
            protocol = checked(units, scale, mode, faces)
            rows, failures = read_files(recognizer, pictures or [], protocol, mode, faces)
            return _described(protocol) | {"csv": csv_of(rows, protocol), "failures": failures}

    def read_video(
        video: str,
        units: str = "disfa",
        scale: str = OWN_SCALE,
        mode: str = "joint",
        faces: str = "auto",
        fps: float = 5,
    ) -> tuple[dict, str, list[str], str]:
        """Read every face of a video over time: what was read, a CSV table, a plot a face, and the video with bars beside it.

        Args:
            video: a video file, of which the first 300 frames are read.
            units: a protocol such as bp4d, disfa or feafa, or a list such as AU1,AU4,AU12.
            scale: "as published", occurrence (0 or 1), intensity (0 to 5) or continuous (0.00 to 1.00).
            mode: joint (each value sees those before it) or parallel (all in one pass, fastest).
            faces: auto (found and cropped as in the model's training) or none (the whole picture is one face).
            fps: frames read a second, more than 0 and at most 10.
        """
        with told_to_visitor():
            protocol = checked(units, scale, mode, faces)
            watched = watch(recognizer, video, protocol, mode, faces, number_of("fps", fps))
            told = _described(protocol) | {
                "frames": watched.frames,
                "faces": len({row.face_id for row in watched.rows if row.has_face}),
                "complete": watched.complete and not watched.fault,
                "fault": watched.fault,
            }
            folder = folder_of_results()
            plots = [str(path) for path in plot_files(watched.rows, protocol, folder)]
            overlay = overlay_of(watched.rows, video, protocol, folder)
            return told, str(csv_file(watched.rows, protocol, folder)), plots, overlay

    def draw_face(
        actions: str, person: int = 0, units: str = "disfa", scale: str = OWN_SCALE, mode: str = "parallel"
    ) -> dict:
        """Draw a face that does what is asked, and let the model read it back. The answer's image is a data URI.

        Args:
            actions: strengths 0 to 1, such as "AU12L=0.8 AU12R=0.8"; L and R are the person's own sides.
            person: 0 to 999, who is drawn.
            units: a protocol such as bp4d, disfa or feafa, or a list such as AU1,AU4,AU12.
            scale: "as published", occurrence (0 or 1), intensity (0 to 5) or continuous (0.00 to 1.00).
            mode: joint (each value sees those before it) or parallel (all in one pass, fastest).
        """
        with told_to_visitor():
            protocol = checked(units, scale, mode)
            face, truth, reading = read_back(
                recognizer, int(number_of("person", person or 0)), _strengths(actions), protocol, mode
            )
            answer = _as_json(FaceRow("drawn face", 0, {protocol.name: reading}), protocol)
            return _described(protocol) | {"image": data_uri(face.image_HWC), "drawn": truth, "read": answer}

    def protocols() -> dict:
        """Which units each protocol reads, and on which scale."""
        return {name: _described(protocol) for name, protocol in PROTOCOLS.items()}

    with gr.Group(visible=False):
        picture = told_of_files(picture_input(label="picture"))
        pictures = told_of_files(
            gr.File(file_count="multiple", label="pictures"), 'a list such as [handle_file("face.png")]'
        )
        units, scale = gr.Textbox("disfa", label="units"), gr.Textbox(OWN_SCALE, label="scale")
        mode, quick = gr.Textbox("joint", label="mode"), gr.Textbox("parallel", label="mode")
        faces = gr.Textbox("auto", label="faces")
        video, fps = (
            told_of_files(gr.File(label="video"), 'a file such as handle_file("film.mp4")'),
            number_input(5, label="fps"),
        )
        actions, person = gr.Textbox("", label="actions"), number_input(0, label="person", precision=0)
        answer = gr.JSON(label="answer")
        table, overlay = gr.File(label="table"), gr.File(label="overlay")
        plots = gr.File(file_count="multiple", label="plots")
        for function, inputs, outputs in (
            (read_face, [picture, units, scale, mode, faces], answer),
            (read_batch, [pictures, units, scale, mode, faces], answer),
            (read_video, [video, units, scale, mode, faces, fps], [answer, table, plots, overlay]),
            (draw_face, [actions, person, units, scale, quick], answer),
            (protocols, [], answer),
        ):
            gr.Button(function.__name__).click(function, inputs, outputs, api_name=function.__name__, **MODEL_QUEUE)


def _strengths(actions: str) -> dict[str, float]:
    """ "AU12L=0.8 AU12R=0.8" as strengths by action."""
    items = [item.partition("=") for item in re.split(r"[,\s]+", str(actions or "")) if item]
    try:
        return {name: float(strength) for name, _, strength in items}
    except ValueError as error:
        raise ValueError(f'actions: expected strengths such as "AU12L=0.8 AU12R=0.8", {error}') from error


def _described(protocol: Protocol) -> dict:
    return {
        "protocol": protocol.name,
        "scale": protocol.scale,
        "units": {code: unit(code).name for code in protocol.units},
    }


def _as_json(row: FaceRow, protocol: Protocol) -> dict:
    reading = row.readings[protocol.name]
    return {
        "status": reading.status,
        "box": row.box,
        "values": reading.values,
        "probabilities": {code: rounded(present_probability(row, code, protocol)) for code in protocol.units},
        "text": reading.text,
    }
