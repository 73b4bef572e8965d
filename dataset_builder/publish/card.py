"""The dataset card: what is in the folder, for people, with the front matter that `datasets.load_dataset` and the Hub read."""

from collections.abc import Mapping, Sequence

from huggingface_hub import DatasetCardData

from aullava.common.files import printable
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.publish.manifest import DEFAULT, OWNERS
from aullava.dataset_builder.rows.schema import NO_FACE, NO_PICTURE, NOT_CODED, OK, UNREADABLE
from aullava.dataset_builder.rows.self_check import Check, markdown
from aullava.detection.framing import Framing

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MEANING = {
    OK: "usable",
    NO_FACE: "faces were looked for and none was found",
    NOT_CODED: "no unit has a value",
    NO_PICTURE: "the disk does not hold the picture, or the video ends before it",
    UNREADABLE: "the picture is damaged",
}
_COLUMNS = """\
`image` is an RGB picture. `AU12_c` is the occurrence of AU12 (0 or 1), `AU12_r` its intensity (0 to 5), `AU12_v` a continuous \
value (0 to 1). NaN means not coded, never absent. `subject`, `sequence`, `camera` and `frame` are the corpus's own names, \
`timestamp` is in seconds (NaN: unknown), `part` belongs to the frozen partition that the folds are made of, `sides` repeats \
one-sided codes, `status` is one of those above, `group_*` is what the corpus says of the person, `box_*` is the detected face in \
pixels of the whole frame and `face_score` the detector's score of it (both empty where no face was looked for). FEAFA's actions \
have columns such as `feafa_01_left_eye_close_v`."""
_CHECK = """\
Counts of the labels read, beside the published ones; frames left out above are counted here. A positive is an occurrence of 1, or \
an intensity of 2 or more where occurrence is not coded; a rate is the share of the frames in which the unit is coded."""


def make_card(reader: CorpusReader, manifest: Mapping, checks: Sequence[Check]) -> str:
    """The text of README.md."""
    blocks = [
        f"---\n{_front_matter(reader, manifest)}\n---",
        f"# {reader.title}: facial action units",
        _terms(reader, manifest),
        *([] if reader.people_known else [_NO_PEOPLE]),
        "## Rows",
        _rows(manifest),
        "## Loading",
        _loading(reader, manifest),
        "## Columns",
        _COLUMNS,
        *(["## Notes", "\n".join(f"* {note}" for note in reader.notes)] if reader.notes else []),
        "## Self-check",
        _CHECK,
        markdown(checks),
        "## Made by",
        _made_by(manifest),
    ]
    return "\n\n".join(blocks) + "\n"


_NO_PEOPLE = (
    "**Subjects are pictures or videos here, not people**: the corpus does not say who is who, and a split by subject may share "
    "people."
)


def _front_matter(reader: CorpusReader, manifest: Mapping) -> str:
    drawn = not reader.licensed
    data = DatasetCardData(
        license="apache-2.0" if drawn else "other",
        license_name=None if drawn else "unknown" if _somebodys(reader) else "given-by-the-owners-of-the-corpus",
        pretty_name=f"{reader.title}: facial action units",
        task_categories=["image-classification", "image-text-to-text"],
        tags=["facial-action-units", "FACS"],
        size_categories=[_size(manifest["totals"]["rows"])],
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
    return data.to_yaml()


def _terms(reader: CorpusReader, manifest: Mapping) -> str:
    if not reader.licensed:
        return "Made by the code named below; it shows nobody, and anybody may have it."
    said = (
        f"Given out by its owners by request: {reader.request}. Their licence holds for these rows as it does for the files that "
        "they were made from. **Do not pass them on.**"
    )
    if _somebodys(reader):
        said = "Made from somebody's own files, whose terms nothing here knows. **Do not pass them on** unless those allow it."
    return said + (f"\n\nStated for an upload: {_literal(manifest['right'])}" if manifest["right"] else "")


def _somebodys(reader: CorpusReader) -> bool:
    return reader.request.startswith("(")


def _literal(text: str) -> str:
    """Names out of a corpus as Markdown code: they may hold anything, line breaks and HTML included."""
    return f"`{printable(text.encode(errors='backslashreplace').decode()).replace('`', chr(39))}`"


def _rows(manifest: Mapping) -> str:
    totals = manifest["totals"]
    lines = [
        f"{totals['rows']:,} rows of {totals['subjects']:,} subjects, {totals['bytes'] / 1e6:,.1f} MB.",
        "",
        "| labelled frames | status | meaning |",
        "|---:|---|---|",
        *(f"| {count:,} | {status} | {_MEANING[status]} |" for status, count in totals["labelled_frames"].items()),
    ]
    left_out = {
        status: [key for shard in manifest["shards"] for key in shard["examples"].get(status, [])][:5]
        for status in totals["labelled_frames"]
    }
    lines += [
        "",
        *(
            f"Left out as {status}, for instance: {', '.join(map(_literal, keys))}."
            for status, keys in left_out.items()
            if keys
        ),
    ]
    if manifest["failed"]:
        people = [subject for failure in manifest["failed"] for subject in failure["subjects"]]
        lines += ["", f"**Missing, because their source could not be read: {', '.join(map(_literal, people))}.**"]
    return "\n".join(lines).rstrip()


def _loading(reader: CorpusReader, manifest: Mapping) -> str:
    names = list(manifest["configurations"])
    if not names:
        return "No row is usable, so there is nothing to load."
    lines = ['load_dataset(FOLDER, split="train")  # every row; nothing says who tests']
    lines += [
        f'load_dataset(FOLDER, "{name}")  # {" and ".join(manifest["configurations"][name])}'
        for name in names
        if name != DEFAULT
    ]
    text = "```python\n" + "\n".join(lines) + "\n```"
    if set(names) - {DEFAULT}:
        text += f"\n\n{'Nobody' if reader.people_known else 'No subject'} is in two splits of one configuration."
    if OWNERS in names:
        text += f' "{OWNERS}" is the split of the corpus\'s owners.'
    return text


def _made_by(manifest: Mapping) -> str:
    code = manifest["code"]
    commit = f", commit {code['commit']}{' with changes' if code['modified'] else ''}" if "commit" in code else ""
    settings = manifest["settings"]
    protocol = settings["protocol"]
    lines = [
        f"* AU-LLaVA {code['version']}{commit}: `aullava build`; manifest.json has hashes and counts of every shard",
        f"* values: {protocol['name'] + ' (' + ', '.join(protocol['units']) + ')' if protocol else 'all that the corpus codes'}",
        f"* pictures: {_pictures(settings)}",
        *(f"* option {key}: {_literal(str(value))}" for key, value in settings["options"].items()),
        "* " + ", ".join(f"{name} {number}" for name, number in manifest["libraries"].items() if number),
    ]
    return "\n".join(lines)


def _pictures(settings: Mapping) -> str:
    pictures = settings["pictures"]
    encoding = {"auto": "JPEG where the source has lost detail already, else PNG"}.get(pictures["encoding"])
    coded = f"new ones as {encoding or pictures['encoding'].upper()}"
    framing = Framing(**pictures["framing"])
    if not framing.crops:
        return f"as in the source, {coded}"
    size = f"resized to {pictures['size']} pixels" if pictures["size"] else "in the source's pixels"
    without = {"drop": "are left out", "keep": "are kept whole"}[settings["no_face"]]
    return f"{framing}, {size}, {coded}; frames without a face {without}"


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")
