"""Every figure the embedded checkpoint is held to, beside its peers and its controls, from one run.

    python benchmarks/evaluate_embedded.py [--checkpoint DIR] [--faces 2000] [--validation 1000] [--robust 250] [--dose 8]
                                            [--photographs DIR]

Conventions
    faces             split "test": identities that neither training nor validation draws, one face each, expressions at the base
                      rates of the style. Figures of peers are taken only where they were measured on the same faces.
    scores            as benchmarks/parts/embedded_scores.py. Expected values for ICC and sides, medians for errors.
    calibration       the checkpoint's own; where it has none, temperatures fitted on validation faces, for this run only.
    ece               mean over BP4D's 12 units of the calibration error of P(present), 15 bins. ece_raw: without calibration.
    ..._thresholds    with thresholds on P(present) that validation faces gave.
    format_agreement  as evaluation/agreement.py: bp4d, disfa and feafa on the units that two of them name.
                      ..._lists: BP4D's and DISFA's units asked as plain lists on each scale, `robust` faces.
    dose_...          as parts/embedded_controls.py: Spearman of drawn strength and reading, mean and lowest over units and formats.
    skin_tone_gap     as evaluation/groups.py, macro F1 of BP4D's units over the ten tones. ..._chance: what arises by chance.
    checkpoint_mb     all files of the checkpoint, 10^6 bytes.
    photo_...         as parts/photographs.py, where `--photographs` names the folder of photographs/fetch.py; else not measured.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from parts.embedded_controls import Dose, corruption_losses, dose_faces, others, score_dose, shift_losses
from parts.embedded_readings import Reader, Said, as_reading
from parts.embedded_scores import (
    ASYMMETRIC,
    BP4D,
    DISFA,
    FEAFA,
    Reading,
    Truth,
    constant_reading,
    embedded_scores,
    side_correct,
    truth_of,
)
from parts.embedded_tables import details
from parts.embedded_targets import peer_figures, targets_of
from parts.photographs import FIGURES, measure_photographs, photograph_table
from PIL import Image
from reporting import markdown_table, report

from aullava.action_units import INTENSITY, SCALES, Protocol
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.dataset_builder.synthetic.drawn import DrawnFace, sample_face
from aullava.dataset_builder.synthetic.drawn.actions import PARTS
from aullava.detection.framing import Framing
from aullava.evaluation.agreement import Agreement, agreement, decisions_of
from aullava.evaluation.calibrate import (
    Fit,
    Read,
    fit_calibration,
    mean_ece,
    tempered,
    without_calibration,
    write_calibrated,
)
from aullava.evaluation.groups import GroupScores, score_groups
from aullava.metrics.au_detection.scores import score_detection

PROTOCOLS = (BP4D, DISFA, FEAFA)
DOSE_STEPS = 6
# Expected values follow a dose; P(present) only leaps once. So BP4D's other units are asked for their levels here.
LEVELS = Protocol("levels", tuple(code for code in BP4D.units if code not in DISFA.units), INTENSITY)
DOSED = (DISFA, LEVELS, FEAFA)


@dataclass(frozen=True)
class Measured:
    """All that the tables show; see the functions that make the parts."""

    scores: dict[str, dict[str, float]]  # whose reading -> `embedded_scores`
    sides: dict[str, int]  # pair of FEAFA -> faces whose sides differ enough to ask for the stronger one
    fit: Fit
    named: Agreement
    lists: dict[str, Agreement]
    doses: dict[tuple[str, str], Dose]
    corruptions: dict[str, list[float]]
    shifts: dict[str, list[float]]
    groups: dict[str, GroupScores]
    ece: dict[str, float]
    f1_thresholds: float


def labels(faces: Sequence[DrawnFace]) -> Truth:
    return truth_of([{protocol.name: face.values(protocol) for protocol in PROTOCOLS} for face in faces])


def pictures(faces: Sequence[DrawnFace]) -> list[np.ndarray]:
    return [face.image_HWC for face in faces]


def fit_on_validation(reader: Reader, faces: Sequence[DrawnFace]) -> Fit:
    with without_calibration(reader.model):
        said, truth = reader.read(pictures(faces), PROTOCOLS), labels(faces)
    truths = (truth.bp4d_NU, truth.disfa_NU, truth.feafa_NU)
    reads = [Read(p, t, said[p.name].distribution_NUV) for p, t in zip(PROTOCOLS, truths, strict=True)]
    return fit_calibration(reads, "validation", thresholds=True)


def score_with_controls(truth: Truth, reading: Reading, subjects: Sequence[str]) -> dict[str, dict[str, float]]:
    faces, other = len(subjects), others(subjects)
    swapped = Truth(truth.bp4d_NU[other], truth.disfa_NU[other], truth.feafa_NU[other])
    return {
        "read": embedded_scores(truth, reading),
        "all present": embedded_scores(truth, constant_reading(faces, 1)),
        "all zero": embedded_scores(truth, constant_reading(faces, 0)),
        "shuffled": embedded_scores(swapped, reading),
    }


def asymmetric_faces(feafa_NU: np.ndarray) -> dict[str, int]:
    """Pair -> faces whose two sides differ by more than 0.3."""
    columns = [[FEAFA.units.index(code) for code in pair] for pair in FEAFA.flip_pairs]
    counts = [int((np.abs(np.diff(feafa_NU[:, pair])) > ASYMMETRIC).sum()) for pair in columns]
    return dict(zip(side_correct(feafa_NU, feafa_NU), counts, strict=True))


def calibration_errors(
    said: Said, truth_NU: np.ndarray, temperature: float, fit: Fit
) -> tuple[dict[str, float], float]:
    """ECE as read and without calibration, and macro F1 with the fitted thresholds.

    Args:
        said: occurrences, read at `temperature`.
    """
    raw_NUV = tempered(said.distribution_NUV, 1 / temperature)
    refit_NU = tempered(raw_NUV, fit.calibration["temperature"][said.protocol.scale])[..., 1]
    thresholds = fit.calibration["thresholds"].get(said.protocol.name, {})
    threshold_U = np.array([thresholds.get(code, 0.5) for code in said.protocol.units])
    f1_U = score_detection(truth_NU, refit_NU, threshold_U)["f1_undetermined_wrong"]
    return {"ece": mean_ece(truth_NU, said.present_NU), "ece_raw": mean_ece(truth_NU, raw_NUV[..., 1])}, float(
        np.nanmean(f1_U)
    )


def agreement_of_lists(reader: Reader, faces: Sequence[DrawnFace]) -> dict[str, Agreement]:
    """The units of BP4D and of DISFA asked on every scale."""
    found = {}
    for units in (BP4D, DISFA):
        asked = [Protocol(scale, units.units, scale) for scale in SCALES]
        said = reader.read(pictures(faces), asked)
        found[units.name] = agreement({p.name: decisions_of(said[p.name].present_NU, p) for p in asked})
    return found


def measure_doses(reader: Reader, faces: int) -> dict[tuple[str, str], Dose]:
    """(unit, protocol) -> how the expected values of the protocol's units that the drawn unit moves follow its strength."""
    found = {}
    for code in PARTS:
        rows = dose_faces(code, faces, DOSE_STEPS, reader.side)
        said = reader.read([face.image_HWC for row in rows for face in row], DOSED)
        for protocol in DOSED:
            strongest = rows[0][-1].values(protocol)
            moved = [u for u, unit in enumerate(protocol.units) if strongest[unit]]
            if moved:
                expected_NU = said[protocol.name].expected_NU.reshape(faces, DOSE_STEPS, -1)
                found[code, protocol.name] = score_dose(expected_NU[..., moved].mean(-1))
    return found


def f1_of(reader: Reader, images: Sequence[Image.Image | np.ndarray], truth_NU: np.ndarray) -> float:
    """Macro F1 over BP4D's 12 units."""
    said = reader.read(images, [BP4D])[BP4D.name]
    return float(np.nanmean(score_detection(truth_NU, said.present_NU)["f1_undetermined_wrong"]))


def robustness(reader: Reader, faces: Sequence[DrawnFace]) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Losses of macro F1 over BP4D's units, by corruption and by shift."""
    truth_NU = labels(faces).bp4d_NU
    images = [Image.fromarray(face.image_HWC) for face in faces]
    spoilt = corruption_losses(lambda found: f1_of(reader, found, truth_NU), images, [face.subject for face in faces])
    return spoilt, shift_losses(lambda found: f1_of(reader, pictures(found), truth_NU), faces)


def measure(
    reader: Reader, faces: Sequence[DrawnFace], validation: Sequence[DrawnFace], robust: int, dose: int
) -> Measured:
    stage("calibration")
    fit = fit_on_validation(reader, validation)
    config = reader.model.config
    if not config.calibration:
        config.calibration = {"temperature": fit.calibration["temperature"]}
    stage("test faces")
    truth, said = labels(faces), reader.read(pictures(faces), PROTOCOLS)
    reading = as_reading(said, decided=reader.thresholds(BP4D))
    subjects = [face.subject for face in faces]
    scores = score_with_controls(truth, reading, subjects)
    ece, f1_thresholds = calibration_errors(
        said[BP4D.name], truth.bp4d_NU, config.calibration.get("temperature", {}).get(BP4D.scale, 1.0), fit
    )
    stage("groups")
    present_NU = np.where(np.isnan(reading.present_bp4d_NU), np.nan, reading.present_bp4d_NU >= 0.5)
    groups = {
        label: score_groups(truth.bp4d_NU, present_NU, subjects, [f.groups[label] for f in faces], BP4D.units)
        for label in faces[0].groups
    }
    stage("agreement")
    named = agreement({p.name: decisions_of(said[p.name].present_NU, p) for p in PROTOCOLS})
    lists = agreement_of_lists(reader, faces[:robust])
    stage("doses")
    doses = measure_doses(reader, dose)
    stage("corruptions and shifts")
    corruptions, shifts = robustness(reader, faces[:robust])
    sides = asymmetric_faces(truth.feafa_NU)
    return Measured(scores, sides, fit, named, lists, doses, corruptions, shifts, groups, ece, f1_thresholds)


def stage(name: str) -> None:
    print(f"measuring: {name}", file=sys.stderr, flush=True)


def figures_of(measured: Measured, peers: dict[str, float], checkpoint: Path) -> dict[str, float]:
    """Name -> figure; the twelve that the checkpoint is held to first."""
    read, zero, everything = (measured.scores[name] for name in ("read", "all zero", "all present"))
    spearman = [dose.spearman for dose in measured.doses.values()]
    tone = measured.groups["skin_tone"]
    figures = {
        "min_side_correct": read["min_side_correct"],
        "f1_bp4d12": read["f1_bp4d12"],
        "f1_disfa8": read["f1_disfa8"],
        **peers,
        "icc_disfa12": read["icc_disfa12"],
        "mae_feafa24": read["mae_feafa24"],
        "mae_feafa24_zero": zero["mae_feafa24"],
        "min_au_f1": read["min_au_f1"],
        "format_agreement": measured.named.share,
        "ece": measured.ece["ece"],
        "checkpoint_mb": sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file()) / 1e6,
        "mae_disfa12": read["mae_disfa12"],
        "mae_disfa12_zero": zero["mae_disfa12"],
        "ece_raw": measured.ece["ece_raw"],
        "f1_bp4d12_thresholds": measured.f1_thresholds,
        "f1_bp4d12_all_present": everything["f1_bp4d12"],
        "f1_disfa8_all_present": everything["f1_disfa8"],
        "f1_bp4d12_shuffled": measured.scores["shuffled"]["f1_bp4d12"],
        "f1_disfa8_shuffled": measured.scores["shuffled"]["f1_disfa8"],
        "icc_disfa12_shuffled": measured.scores["shuffled"]["icc_disfa12"],
        **{f"format_agreement_lists_{name}": found.share for name, found in measured.lists.items()},
        "dose_spearman": float(np.mean(spearman)),
        "dose_spearman_lowest": min(spearman),
        "skin_tone_gap": tone.gap,
        "skin_tone_gap_chance": tone.chance,
        "undetermined": read["undetermined"],
        "undefined": read["undefined"],
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=None, help="default: the embedded checkpoint")
    parser.add_argument("--faces", type=int, default=2000, help="drawn faces of test identities")
    parser.add_argument(
        "--validation", type=int, default=1000, help="drawn faces of validation identities, for calibration"
    )
    parser.add_argument(
        "--robust", type=int, default=250, help="test faces for corruptions, shifts and agreement of lists"
    )
    parser.add_argument("--dose", type=int, default=8, help="persons on whom each unit grows")
    parser.add_argument("--style", default="mixed", help="how expressions are sampled: bp4d, disfa, mixed or uniform")
    parser.add_argument("--mode", default="joint", choices=("joint", "parallel"), help="how values are read")
    parser.add_argument("--device", default="cpu", help="where the checkpoint reads")
    parser.add_argument("--trial", action="store_true", help="write no table to benchmarks/results/")
    parser.add_argument(
        "--calibrated",
        type=Path,
        default=None,
        help="write a copy of the checkpoint with the fitted temperatures here",
    )
    parser.add_argument(
        "--photographs",
        type=Path,
        default=None,
        metavar="DIR",
        help="labelled photographs, see benchmarks/photographs",
    )
    arguments = parser.parse_args()
    if arguments.calibrated and arguments.calibrated.exists():
        parser.error(f"--calibrated {arguments.calibrated} exists: expected a folder that does not exist yet")
    checkpoint = arguments.checkpoint or embedded_checkpoint()
    reader = Reader(*load_checkpoint(checkpoint, arguments.device), arguments.mode)
    own = bool(reader.model.config.calibration)
    draw = {"style": arguments.style, "size": reader.side}
    faces = [sample_face("test", index, **draw) for index in range(arguments.faces)]
    validation = [sample_face("validation", index, **draw) for index in range(arguments.validation)]
    robust = min(arguments.robust, arguments.faces)
    title = f"{arguments.faces} drawn faces of test identities, style {arguments.style}"
    peers, about_peers = peer_figures(title)
    measured = measure(reader, faces, validation, robust, arguments.dose)
    photographs, section = dict.fromkeys(FIGURES, float("nan")), "not measured here; see benchmarks/photographs."
    if arguments.photographs:
        stage("photographs")
        scores = measure_photographs(reader, arguments.photographs, Framing(**reader.model.config.framing))
        photographs = {name: round(value, 4) for name, value in scores.figures.items()}
        section = photograph_table(scores, markdown_table)
    notes = [
        f"Checkpoint {checkpoint.name}, mode {arguments.mode}. {about_peers} Calibration: "
        f"{'its own' if own else f'temperatures fitted on {len(validation)} validation faces, for this run only'}."
    ]
    report(
        "evaluate_embedded",
        f"{title}, read by {checkpoint.name} in mode {arguments.mode}",
        figures_of(measured, peers, checkpoint) | photographs,
        targets_of(peers),
        details("\n".join(notes), measured, robust) + f"\n\n## Photographs\n\n{section}",
        write=not arguments.trial,
    )
    if arguments.calibrated:
        write_calibrated(checkpoint, arguments.calibrated, {"temperature": measured.fit.calibration["temperature"]})


if __name__ == "__main__":
    main()
