"""Tab "Video": every face over time as curves, as a film with bars beside it, and as a table."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path

import gradio as gr
from PIL import Image

from aullava.action_units import Protocol
from aullava.dataset_builder.synthetic.drawn.film import write_film
from aullava.recognition.overlay_video import survey, write_overlay_video
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import Layout
from aullava.recognition.video import recognize_video
from aullava.space.asking import MODEL_QUEUE, checked, name_of, reading_controls, told_to_visitor
from aullava.space.panels import SPEAK, notice
from aullava.space.recognizer import BATCH_SIZE, Recognizer
from aullava.space.results import csv_of, download_link, folder_of_results
from aullava.space.units import data_uri
from aullava.video.container import VideoReadError

MOST_FRAMES = 300  # that are read of one video; a page is not the place for hours of film
FASTEST = 10  # frames a second
PLOTS_SHOWN = 3  # faces


@dataclass(frozen=True)
class Watched:
    """What was read of a video. `complete`: False where it is longer than `MOST_FRAMES`; `fault`: where it is damaged."""

    rows: list[FaceRow]
    frames: int
    complete: bool = True
    fault: str = ""


def watch(
    recognizer: Recognizer,
    path: str,
    protocol: Protocol,
    mode: str,
    faces: str,
    fps: float,
    on_frame: Callable[[int], None] = lambda frames: None,
) -> Watched:
    """Read a video, up to `MOST_FRAMES` frames.

    Raises:
        VideoReadError: not one frame can be read.
        ValueError: there is no video, or fps is out of range.
    """
    if not path:
        raise ValueError("no video was given: choose one, or draw an example")
    if not 0 < (fps or 0) <= FASTEST:
        raise ValueError(f"{fps} frames a second: expected more than 0 and at most {FASTEST}")
    options = {"mode": mode, "fps": fps, "faces": recognizer.detector(faces), "batch_size": BATCH_SIZE}
    rows, frames = [], 0
    try:
        with closing(recognize_video(path, recognizer.model, recognizer.processor, protocol, **options)) as found:
            for _, of_frame in groupby(found, key=lambda row: row.frame):
                if frames == MOST_FRAMES:
                    return Watched(rows, frames, complete=False)
                rows += [replace(row, input=name_of(path)) for row in of_frame]
                frames += 1
                on_frame(frames)
    except VideoReadError as error:
        fault = str(error).replace(path, name_of(path))
        if not rows:
            raise VideoReadError(fault) from error
        return Watched(rows, frames, fault=fault)
    return Watched(rows, frames)


def plot_files(rows: list[FaceRow], protocol: Protocol, folder: Path) -> list[Path]:
    """The course of each face over time as PNG files."""
    from aullava.analysis.plots import write_plots  # brings matplotlib and plotly, seconds of every start

    pictures = []
    for path in write_plots(Layout((protocol,)).frame(rows), folder, "plot"):
        if path.suffix == ".png":
            pictures.append(path)
        else:
            path.unlink()  # a page of megabytes; what is handed to nobody would never be deleted
    return pictures


def plots_of(rows: list[FaceRow], protocol: Protocol) -> str:
    """The course of each face over time as HTML pictures."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = [Image.open(path).convert("RGB") for path in plot_files(rows, protocol, Path(folder))]
    alt = "Units of face {} over time, one curve a unit; the table holds the same values"
    shown = [
        f'<img class="au-plot" src="{data_uri(p)}" alt="{alt.format(i)}">'
        for i, p in enumerate(pictures[:PLOTS_SHOWN])
    ]
    more = len(pictures) - PLOTS_SHOWN
    wide = f'<div class="au-plots" tabindex="0" role="region" aria-label="Curves over time">{"".join(shown)}</div>'
    return (wide if shown else "") + (notice(f"{more} more faces are in the table.") if more > 0 else "")


def overlay_of(rows: list[FaceRow], path: str, protocol: Protocol, folder: Path) -> str:
    """The video with bars beside it, as a file."""
    target = folder / "overlay.mp4"
    write_overlay_video(rows, Path(path), target, [protocol], survey(rows))
    return str(target)


def told(watched: Watched) -> str:
    """In words, how much was read."""
    faces = len({row.face_id for row in watched.rows if row.has_face})
    without = len({row.frame for row in watched.rows if not row.has_face})
    said = f"{watched.frames} frames read, {faces} face{'' if faces == 1 else 's'}, {without} frames without a face."
    if not watched.complete:
        said += f" The video is longer: this page reads {MOST_FRAMES} frames, `aullava recognize` reads all."
    return notice(said) + (notice(f"Damaged: {watched.fault}") if watched.fault else "")


@cache
def _film_folder() -> tempfile.TemporaryDirectory:
    folder = tempfile.TemporaryDirectory(prefix="aullava-film-")
    write_film(folder.name, seconds=5, rate=8, people=2, seed=3)
    return folder


def example_film() -> str:
    """A drawn film of two people, made when it is first asked for."""
    return str(Path(_film_folder().name, "film.mp4"))


def video_tab(recognizer: Recognizer) -> None:
    """Build the tab."""

    def read_chosen(path, units: str, scale: str, mode: str, faces: str, fps: float, progress=gr.Progress()):  # noqa: B008
        with told_to_visitor():
            protocol = checked(units, scale, mode, faces)
            watched = watch(
                recognizer, path, protocol, mode, faces, fps, lambda done: progress((done, None), unit="frames")
            )
            progress(None, desc="drawing curves and film")
            link = download_link(csv_of(watched.rows, protocol), "readings.csv")
            film = overlay_of(watched.rows, path, protocol, folder_of_results())
            return told(watched) + link, plots_of(watched.rows, protocol), film

    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            video = gr.Video(
                sources=["upload", "webcam"], label="Video", height=320, webcam_options=gr.WebcamOptions(mirror=False)
            )
            draw = gr.Button("Draw an example film", size="sm")
            asked = reading_controls(mode="parallel")
            fps = gr.Slider(1, FASTEST, value=5, step=1, label="Frames read a second", buttons=[])
            start = gr.Button("Read the video", variant="primary")
        with gr.Column(scale=7, min_width=320):
            said = gr.HTML(
                f'<p class="au-hint">You get curves of every unit over time, the video with bars beside it, and a table. The first '
                f"{MOST_FRAMES} frames are read.</p>",
                elem_id="video-result",
                js_on_load=SPEAK,
            )
            film = gr.Video(label="The video with its readings", interactive=False, height=320, buttons=["download"])
            plots = gr.HTML(elem_id="video-plots")
    draw.click(example_film, None, video, api_visibility="private", concurrency_limit=1)
    start.click(
        read_chosen,
        [video, *asked, fps],
        [said, plots, film],
        **MODEL_QUEUE,
        api_visibility="private",
    )
