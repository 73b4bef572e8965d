"""`make demo`: the embedded checkpoint as a Hub user gets it, on faces whose truth is known and on one photograph.

    python examples/demo.py [--checkpoint DIR] [--out outputs/demo] [--count 8]

Writes into the output folder
    hub/                  the model folder as it would lie on the Hub
    hub_user.py           the program that loads it in a process and a folder of its own; hub_user.json, what it read
    faces/                drawn faces of identities that training never saw
    truth_and_reading.csv every unit of every face: drawn, read
    truth_and_reading.png the same as a picture
    readings.csv          `aullava recognize` on the folder of faces
    photograph/           one real photograph, found, cropped and read by `aullava recognize`: picture, CSV, overlay
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table

from aullava import cli
from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.drawn import DrawnFace, sample_face
from aullava.recognition.comparison import draw_comparison
from aullava.release import assemble, embedded_checkpoint

SHOWN = PROTOCOLS["disfa"]
COMPARED = ("bp4d", "disfa", "feafa")  # one protocol a scale

HUB_USER = """\
import json
import sys

from transformers import AutoModel, AutoProcessor

folder, out, *images = sys.argv[1:]
model = AutoModel.from_pretrained(folder, trust_remote_code=True)
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
readings = {
    protocol: [reading.values for reading in model.recognize(images, processor=processor, protocol=protocol)]
    for protocol in ("bp4d", "disfa", "feafa")
}
assert "aullava" not in sys.modules  # the code came from the folder
with open(out, "w") as file:
    json.dump(readings, file)
"""


def main(argv: list[str] | None = None) -> int:
    """Run the demo; 0 if every step did what it should, 1 if not, 2 if it could not begin."""
    parser = argparse.ArgumentParser(prog="python examples/demo.py", description="What the embedded checkpoint does.")
    parser.add_argument("--checkpoint", type=Path, help="default: the embedded checkpoint")
    parser.add_argument("--out", type=Path, default=Path("outputs/demo"), help="default: %(default)s")
    parser.add_argument("--count", type=int, default=8, help="number of drawn faces (default: %(default)s)")
    args = parser.parse_args(argv)
    console = Console(highlight=False)
    out = args.out
    faces = [sample_face("test", index) for index in range(args.count)]
    try:
        shutil.rmtree(out / "hub", ignore_errors=True)  # of an earlier demo, perhaps of an earlier version
        hub = assemble(args.checkpoint or embedded_checkpoint(), out / "hub")
        pictures = _save_faces(faces, out / "faces")
    except (ValueError, OSError) as error:
        print(f"demo: error: {error}", file=sys.stderr)
        return cli.BAD_USAGE
    console.print(f"model folder: {hub}")
    readings = _read_as_hub_user(hub, pictures, out)
    _compare(faces, readings, out)
    console.print(_side_by_side(faces, readings[SHOWN.name]), _agreement(faces, readings))
    failed = _recognize(hub, out / "faces", "--faces", "none", "--out", out / "readings.csv")
    failed |= _check_same(out / "readings.csv", readings[SHOWN.name])
    failed |= _read_photograph(hub, out / "photograph")
    print("This checkpoint was trained on drawn faces: its readings of photographs mean nothing.")
    return failed


def _save_faces(faces: list[DrawnFace], folder: Path) -> list[Path]:
    """PNG files in a folder that holds no other, so that reading the folder reads these faces."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [folder / f"{face.subject}.png" for face in faces]
    if others := sorted(set(folder.iterdir()) - set(pictures)):
        raise FileExistsError(f"{folder} holds {others[0].name}, no face of this run: empty it or name another --out")
    for face, picture in zip(faces, pictures, strict=True):
        Image.fromarray(face.image_HWC).save(picture)
    return pictures


def _read_as_hub_user(hub: Path, pictures: list[Path], out: Path) -> dict[str, list[dict]]:
    """Values by protocol and face, read by `hub_user.py` in a fresh process that starts in another folder."""
    program, answer = out / "hub_user.py", out / "hub_user.json"
    program.write_text(HUB_USER, encoding="utf-8")
    paths = [path.resolve() for path in (program, hub, answer, *pictures)]
    with tempfile.TemporaryDirectory() as elsewhere:
        subprocess.run([sys.executable, "-I", *paths], cwd=elsewhere, check=True)
    return json.loads(answer.read_text(encoding="utf-8"))


def _compare(faces: list[DrawnFace], readings: dict[str, list[dict]], out: Path) -> None:
    """Truth beside reading: every protocol as a table, the shown one as a picture."""
    with open(out / "truth_and_reading.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "protocol", "unit", "truth", "reading"])
        for name in COMPARED:
            for face, reading in zip(faces, readings[name], strict=True):
                truth = face.values(PROTOCOLS[name])
                writer.writerows([face.subject, name, code, truth[code], reading[code]] for code in truth)
    truths = [face.values(SHOWN) for face in faces]
    images = [Image.fromarray(face.image_HWC) for face in faces]
    draw_comparison(images, truths, readings[SHOWN.name], SHOWN).save(out / "truth_and_reading.png")


def _side_by_side(faces: list[DrawnFace], readings: list[dict]) -> Table:
    """The units of each face that were drawn and that were read."""
    table = Table(title=f"{SHOWN.name}: units above 0, drawn and read", title_justify="left")
    for name in ("face", "drawn", "read"):
        table.add_column(name)
    for face, reading in zip(faces, readings, strict=True):
        table.add_row(face.subject, *(_acting(values) for values in (face.values(SHOWN), reading)))
    return table


def _acting(values: dict) -> str:
    acting = (f"{code} {'?' if values[code] is None else values[code]}" for code in SHOWN.units if values[code] != 0)
    return ", ".join(acting) or "none"


def _agreement(faces: list[DrawnFace], readings: dict[str, list[dict]]) -> Table:
    """How far readings and truth agree in each of the three formats."""
    table = Table(title=f"truth and reading of {len(faces)} drawn faces of unseen identities", title_justify="left")
    for name in ("protocol", "scale", "values", "read exactly", "mean absolute error", "undetermined"):
        table.add_column(name, justify="left" if name in ("protocol", "scale") else "right")
    for name in COMPARED:
        protocol = PROTOCOLS[name]
        pairs = [
            (truth[code], reading[code])
            for truth, reading in zip((face.values(protocol) for face in faces), readings[name], strict=True)
            for code in protocol.units
        ]
        errors = [abs(truth - reading) for truth, reading in pairs if reading is not None]
        exact, mean = sum(error < 0.005 for error in errors), sum(errors) / len(errors) if errors else float("nan")
        table.add_row(name, protocol.scale, str(len(pairs)), str(exact), f"{mean:.3f}", str(len(pairs) - len(errors)))
    return table


def _recognize(hub: Path, *arguments) -> int:
    """Run `aullava recognize`; its exit code."""
    command = [
        "recognize",
        *map(str, arguments),
        "--checkpoint",
        str(hub),
        "--protocol",
        SHOWN.name,
        "--device",
        "cpu",
    ]
    print("\n$ aullava", *command)
    return cli.main(command)


def _check_same(table: Path, readings: list[dict]) -> int:
    """0 if the command line read what the Hub user read."""
    with open(table, newline="", encoding="utf-8") as file:
        rows = [[row[SHOWN.column(code)] for code in SHOWN.units] for row in csv.DictReader(file)]
    expected = [["" if r[code] is None else str(r[code]) for code in SHOWN.units] for r in readings]
    if rows == expected:
        return 0
    print(f"{table} differs from what the Hub user read", file=sys.stderr)
    return 1


def _read_photograph(hub: Path, folder: Path) -> int:
    """Find, crop and read the face of scikit-image's astronaut; 0 if it went well."""
    from skimage.data import astronaut

    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "astronaut.png"
    Image.fromarray(astronaut()).save(picture)
    return _recognize(hub, picture, "--out", folder / "astronaut.csv", "--overlay", folder / "overlay")


if __name__ == "__main__":
    sys.exit(main())
