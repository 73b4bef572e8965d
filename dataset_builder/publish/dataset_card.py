"""The dataset card: what the folder holds, for people, with the front matter that `datasets.load_dataset` and the Hub read.

Its words stand in templates/dataset_card.md.jinja.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from huggingface_hub import DatasetCard, DatasetCardData

from aullava.common.files import printable
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.publish.manifest import DEFAULT
from aullava.dataset_builder.rows.schema import NO_FACE, NO_PICTURE, NOT_CODED, OK, UNREADABLE
from aullava.dataset_builder.rows.self_check import Check, markdown
from aullava.detection.framing import Framing

TEMPLATE = Path(__file__).parent / "templates" / "dataset_card.md.jinja"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MEANING = {
    OK: "usable",
    NO_FACE: "faces were looked for and none was found",
    NOT_CODED: "no unit has a value",
    NO_PICTURE: "the disk does not hold the image, or the video ends before it",
    UNREADABLE: "the image is damaged",
}


def make_card(reader: CorpusReader, manifest: Mapping, checks: Sequence[Check]) -> str:
    """The text of README.md."""
    own_files = reader.request.startswith("(")  # nobody to ask: the user's own files
    owned = "unknown" if own_files else "given-by-the-owners-of-the-corpus"
    rows = manifest["totals"]["rows"]
    data = DatasetCardData(
        license="other" if reader.licensed else "apache-2.0",
        license_name=owned if reader.licensed else None,
        pretty_name=f"{reader.title}: facial action units",
        task_categories=["image-classification", "image-text-to-text"],
        tags=["facial-action-units", "FACS"],
        size_categories=[next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")],
        configs=[
            {
                "config_name": name,
                **({"default": True} if name == DEFAULT else {}),
                "data_files": [{"split": split, "path": files} for split, files in splits.items()],
            }
            for name, splits in manifest["configurations"].items()
        ]
        or None,
    )
    examples = {
        status: [key for shard in manifest["shards"] for key in shard["examples"].get(status, [])][:5]
        for status in manifest["totals"]["labelled_frames"]
    }
    failed = [subject for failure in manifest["failed"] for subject in failure["subjects"]]
    card = DatasetCard.from_template(
        data,
        str(TEMPLATE),
        reader=reader,
        manifest=manifest,
        own_files=own_files,
        meanings=_MEANING,
        left_out={status: ", ".join(map(_literal, keys)) for status, keys in examples.items() if keys},
        failed=", ".join(map(_literal, failed)),
        checks=markdown(checks),
        pictures=_images(manifest["settings"]),
        literal=_literal,
    )
    return f"{card}\n"  # Jinja cuts the last line break off


def _literal(text: str) -> str:
    """A name from a corpus as Markdown code: it may hold anything, line breaks and HTML included."""
    return f"`{printable(text.encode(errors='backslashreplace').decode()).replace('`', chr(39))}`"


def _images(settings: Mapping) -> str:
    pictures = settings["pictures"]
    encoding = {"auto": "JPEG where the source has lost detail already, else PNG"}.get(pictures["encoding"])
    coded = f"new ones as {encoding or pictures['encoding'].upper()}"
    framing = Framing(**pictures["framing"])
    if not framing.crops:
        return f"as in the source, {coded}"
    size = f"resized to {pictures['size']} pixels" if pictures["size"] else "in the source's pixels"
    without = {"drop": "are left out", "keep": "are kept whole"}[settings["no_face"]]
    return f"{framing}, {size}, {coded}; frames without a face {without}"
