"""Tab "About": what this is, what it cannot do, what happens to pictures, where card and code are, and how to call it."""

import os
from html import escape
from importlib.metadata import metadata

import gradio as gr
from huggingface_hub.constants import ENDPOINT

from aullava.space.recognizer import Recognizer

_WHAT = """
<h2>What an action unit is</h2>
<p>The Facial Action Coding System (FACS) describes a face by the muscle actions that can be seen on it, and numbers them:
AU12 pulls the corners of the lips up and back, AU4 lowers the brows. Levels go from 1, a trace, to 5, the maximum; FACS
writes them as the letters A to E. Left and right are the person's own.</p>
<h2>What this model does</h2>
<p>It is a LLaVA, a language model that sees. It looks at one face and writes each unit with its value: <code>AU12=1</code>
(present), <code>AU12=3</code> (how strong, 0 to 5) or <code>left lip corner pull=0.53</code> (a strength). Percentages are
the model's own probability that a unit is present.</p>
"""
_DRAWN = """
<h2>What it was trained on</h2>
<p><b>Faces drawn by a program, and nothing else.</b> On drawn faces of people it never saw it reads well; try it in the first
tab. It has never seen a photograph: it answers one in the right form, and the answer means nothing.</p>
"""
_OTHER = """
<h2>What it was trained on</h2>
<p>This page runs another checkpoint than the one that comes with the code. Its model card (below) says what it was trained on,
and which faces it may be trusted with.</p>
"""
_CARE = """
<h2>Meant for</h2>
<p>Teaching, tests and research on how facial actions are read.</p>
<h2>Not meant for</h2>
<ul>
<li>Telling what anyone feels or intends. Action units describe visible movement. At work and in education, inferring emotions
is prohibited in the European Union.</li>
<li>Decisions about a person, or identifying one.</li>
<li>Replacing a certified FACS coder.</li>
</ul>
<h2>What happens to your pictures</h2>
<p>They are read and shown to you. What was uploaded, and the films and plots made of it, are deleted within the hour; nothing is
passed on, and the log holds no names or pictures. There is no tracking.</p>
"""

PYTHON_CLIENT = """\
from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")  # or the name of the Space
answer = client.predict(
    picture=handle_file("face.png"), units="disfa", api_name="/read_face"
)
for face in answer["faces"]:
    print(face["status"], face["values"])
"""
PYTHON_LOCAL = """\
from transformers import AutoModel, AutoProcessor

folder = "path/of/a/model/folder"  # or its name on the Hub
model = AutoModel.from_pretrained(folder, trust_remote_code=True)
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
[reading] = model.recognize(
    "face.png", processor=processor, protocol="disfa"
)
print(reading.values, reading.text)
"""
SHELL = """\
aullava recognize photos/ --out readings.csv
aullava recognize film.mp4 --out film.csv --fps 5
"""


def about_tab(recognizer: Recognizer) -> None:
    """Build the tab."""
    trained_on = _DRAWN if recognizer.drawn_only else _OTHER
    with gr.Row():
        with gr.Column(scale=6, min_width=300):
            gr.HTML(f'<div class="au-doc">{_WHAT}{trained_on}{_CARE}{_sources(recognizer)}</div>', elem_id="about")
        with gr.Column(scale=6, min_width=300):
            gr.Code(PYTHON_CLIENT, language=None, label="This page from Python", interactive=False)
            gr.Code(PYTHON_LOCAL, language=None, label="The model from Python", interactive=False)
            gr.Code(SHELL, language=None, label="The model from the command line", interactive=False)
    if recognizer.card:
        with gr.Accordion("Model card", open=False, elem_id="card"):
            gr.Markdown(recognizer.card)


def _sources(recognizer: Recognizer) -> str:
    """Where the model card and the code are."""
    name = f"<code>{escape(recognizer.name)}</code>"
    if recognizer.on_hub:
        card = (
            f"{_link(f'{ENDPOINT}/{recognizer.name}', 'its model card on the Hub')} says how it was made and measured."
        )
    elif recognizer.card:
        card = "its model card, below, says how it was made and measured."
    else:
        card = "a folder without a model card."
    return f"<h2>Model card and code</h2><p>This page runs {name}: {card}</p><p>{_code()}</p>"


def _code() -> str:
    """The project's address where it has one, else what holds its code."""
    about = metadata("au-llava")
    package = (
        f"the package <code>au-llava</code>, version {escape(about['Version'])}, {escape(about['License-Expression'])}"
    )
    for line in about.get_all("Project-URL") or ():
        label, _, address = line.partition(", ")
        if label.lower() in ("source", "repository", "homepage"):
            return f"Code: {_link(address, package)}."
    if space := os.environ.get("SPACE_ID"):
        files = _link(f"{ENDPOINT}/spaces/{space}/tree/main", "files of this Space")
        return f"Code: {package}, whose wheel is among the {files}."
    return f"Code: {package}, as it is installed where this page runs. It names no public address."


def _link(address: str, text_html: str) -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{text_html}</a>'
