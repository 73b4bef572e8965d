"""How well a checkpoint reads drawn faces of held-out identities, in all three formats.

    python benchmarks/drawn_faces.py [--checkpoint DIR] [--faces 1000] [--style bp4d] [--generate 100]

Conventions
    faces       split "test": identities that neither training nor validation draws. The style says how expressions are sampled.
    occurrence  bp4d: F1 of the positive class per unit at P(active) >= 0.5, mean over the 12 units; an undefined F1 (a unit
                that is never present and never said to be) is NaN, left out of the mean and counted.
    intensity   disfa: mean absolute error in levels; F1 of level >= 2 on DISFA's 8 benchmark units.
    continuous  feafa: mean absolute error over the 24 values, each 0 to 1.
    trivial     the same scores of answers that need no picture: every unit present, every value 0, every value at its median.
    parallel_   the same scores of mode parallel, which reads all values in one pass; without it, of mode joint.
    well formed share of the answers that plain `generate` writes and strict parsing accepts.
"""

import argparse
from pathlib import Path

import numpy as np
from reporting import report

from aullava.action_units import AU_LISTS, PROTOCOLS, Protocol, canonical_code
from aullava.dataset_builder.corpora.procedural import sample_face
from aullava.recognition.load import load_checkpoint
from aullava.release import embedded_checkpoint


def read_faces(model, processor, faces, protocol: Protocol, mode: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Truth and reading, each (faces, units), NaN where undetermined, and the status of each reading."""
    readings = model.recognize(
        [face.image_HWC for face in faces], processor=processor, protocol=protocol, mode=mode, batch_size=50
    )
    truth = np.array([[face.values(protocol)[code] for code in protocol.units] for face in faces], float)
    said = np.array(
        [
            [np.nan if reading.values[code] is None else reading.values[code] for code in protocol.units]
            for reading in readings
        ]
    )
    return truth, said, [reading.status for reading in readings]


def f1_per_unit(truth_NU: np.ndarray, said_NU: np.ndarray) -> np.ndarray:
    """F1 of the positive class per unit; NaN where neither truth nor reading is ever positive."""
    hits = (truth_NU & said_NU).sum(0)
    positives = truth_NU.sum(0) + said_NU.sum(0)
    return np.divide(2.0 * hits, positives, out=np.full(hits.shape, np.nan), where=positives > 0)


def score(truth_NU: np.ndarray, said_NU: np.ndarray, protocol: Protocol) -> dict[str, float]:
    """The scores of one format; see the conventions on top."""
    if protocol.scale == "occurrence":
        f1_U = f1_per_unit(truth_NU >= 1, said_NU >= 1)
        per_unit = {f"f1_{code}": value for code, value in zip(protocol.units, f1_U, strict=True)}
        return {"macro_f1": np.nanmean(f1_U), "undefined_f1": int(np.isnan(f1_U).sum())} | per_unit
    scores = {"mae": np.nanmean(np.abs(truth_NU - said_NU))}
    if protocol.scale == "intensity":
        eight = [protocol.units.index(canonical_code(number)) for number in AU_LISTS["disfa_8"]]
        f1_U = f1_per_unit(truth_NU[:, eight] >= 2, said_NU[:, eight] >= 2)
        scores |= {"macro_f1_8": np.nanmean(f1_U), "undefined_f1_8": int(np.isnan(f1_U).sum())}
    else:
        scores |= {
            f"mae_{code}": v for code, v in zip(protocol.units, np.abs(truth_NU - said_NU).mean(0), strict=True)
        }
    return scores


def trivial(truth_NU: np.ndarray, protocol: Protocol) -> dict[str, float]:
    """What answers that need no picture score."""
    if protocol.scale == "occurrence":
        return {"always_present_macro_f1": score(truth_NU, np.ones_like(truth_NU), protocol)["macro_f1"]}
    median_U = np.median(truth_NU, axis=0)
    return {"all_zero_mae": np.abs(truth_NU).mean(), "median_mae": np.abs(truth_NU - median_U).mean()}


def measure(checkpoint: Path, count: int, style: str, generated: int) -> dict[str, float]:
    model, processor = load_checkpoint(checkpoint, "cpu")
    side = processor.image_processor.size["height"]
    faces = [sample_face("test", index, style=style, size=side) for index in range(count)]
    figures: dict[str, float] = {}
    for name in ("bp4d", "disfa", "feafa"):
        protocol = PROTOCOLS[name]
        truth_NU, said_NU, _ = read_faces(model, processor, faces, protocol, "joint")
        scores = score(truth_NU, said_NU, protocol) | trivial(truth_NU, protocol)
        _, at_once_NU, _ = read_faces(model, processor, faces, protocol, "parallel")
        scores |= {f"parallel_{key}": value for key, value in score(truth_NU, at_once_NU, protocol).items()}
        if generated:
            _, _, statuses = read_faces(model, processor, faces[:generated], protocol, "generate")
            scores["generate_well_formed"] = statuses.count("ok") / len(statuses)
        figures |= {f"{name}_{key}": round(float(value), 4) for key, value in scores.items()}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=None, help="default: the embedded checkpoint")
    parser.add_argument("--faces", type=int, default=1000, help="drawn faces of test identities")
    parser.add_argument("--style", default="bp4d", help="how expressions are sampled: bp4d, disfa, mixed or uniform")
    parser.add_argument("--generate", type=int, default=100, help="how many of them plain generate reads, too")
    arguments = parser.parse_args()
    checkpoint = arguments.checkpoint or embedded_checkpoint()
    figures = measure(checkpoint, arguments.faces, arguments.style, arguments.generate)
    report(
        f"drawn_faces-{arguments.style}",
        f"{arguments.faces} drawn faces of test identities, style {arguments.style}, modes joint and parallel",
        figures,
    )


if __name__ == "__main__":
    main()
