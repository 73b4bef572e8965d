"""The page of the embedded checkpoint, served on loopback once a test file."""

import os

import pytest
from gradio_client import Client

from aullava.space.app import build_demo, launch_options
from aullava.space.recognizer import load_recognizer


@pytest.fixture(scope="session")
def recognizer():
    return load_recognizer()


@pytest.fixture(scope="session")
def page(recognizer, tmp_path_factory):
    """The address of the page."""
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("uploads"))
    demo = build_demo(recognizer)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    yield url
    demo.close()


@pytest.fixture(scope="session")
def client(page):
    return Client(page, verbose=False)
