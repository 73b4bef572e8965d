"""Where a run's rows come from: corpora on disk, or faces drawn as they are read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from datasets import Dataset

from aullava.checkpoint.training_record import training_record
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.dataset_builder.corpora.procedural import ProceduralReader
from aullava.dataset_builder.corpora.registry import reader_class
from aullava.dataset_builder.rows.seen import earlier_people
from aullava.detection.framing import Framing
from aullava.training.data.augmentation import EpochOfRun, augmented_rows
from aullava.training.data.mix import MixedData, training_rows
from aullava.training.data_arguments import DataArguments
from aullava.training.run.provenance import drawn_manifest
from aullava.training.run.settings import Run
from aullava.training.run.validation import ReadingArguments, ValidationRows, corpus_rows, drawn_rows, score_readings

_LOSSES = ("loss", "entropy", "mean_token_accuracy")  # what SFTTrainer logs on the validation rows


@dataclass(frozen=True, eq=False)
class Source:
    """The data of one run.

    Args:
        train: training rows, augmented.
        validation: rows of other subjects, for the loss; None without validation subjects.
        read: labelled faces of those subjects, to be read during training; None for none.
        manifest: what the data are, for JSON.
        question_form: "short" or "full": the form that most rows ask.
        framing: how faces are cropped elsewhere to look like the images here, for the configuration.
        turns: most turns per image.
        epoch: tells the rows which epoch the trainer is in; one of its callbacks.
        mixed: the corpora behind it; None for drawn faces.
    """

    train: Dataset
    validation: Dataset | None
    read: ValidationRows | None
    manifest: Mapping[str, object]
    question_form: str
    turns: int
    framing: Framing
    epoch: EpochOfRun
    mixed: MixedData | None = None


def open_source(run: Run) -> Source:
    """Corpora if there are any, else drawn faces.

    Raises:
        ValueError: eval_strategy is set without validation subjects, or evaluation does not compute metric_for_best_model.
            CorpusError, LeakError: see data/mix.py.
    """
    training, readings, epoch = run.training, run.readings, EpochOfRun()
    if training.eval_strategy == "no":
        readings = replace(readings, read_rows=0)
    if run.data.corpora:
        with training.main_process_first(desc="building the corpora's rows"):
            source = _corpora(run.data, readings, epoch)
    else:
        source = _drawn(run.drawing, run.base.validation_faces, readings, epoch)
    if training.eval_strategy != "no":
        if source.validation is None:
            raise ValueError(
                f"eval_strategy is {training.eval_strategy.value!r}, but there are no validation subjects: set validation_share "
                "above 0, choose folds with validation subjects, or set eval_strategy to no"
            )
        # Checked here because the trainer looks for the metric only in its first evaluation, hours later.
        scores = () if source.read is None else score_readings(source.read.truth, source.read.truth)
        metric, known = training.metric_for_best_model, [*_LOSSES, *scores]
        if metric is not None and metric.removeprefix("eval_") not in known:
            raise ValueError(
                f"metric_for_best_model is {metric!r}, which evaluation does not compute with these read_rows and read_protocols: "
                f"expected one of {', '.join(known)}"
            )
    manifest = dict(source.manifest)
    if run.base.checkpoint and (earlier := earlier_people(training_record(run.base.checkpoint, "main"))):
        manifest["earlier"] = earlier
    return replace(source, train=augmented_rows(source.train, run.augmentation, epoch), manifest=manifest)


def _corpora(data: DataArguments, readings: ReadingArguments, epoch: EpochOfRun) -> Source:
    mixed = training_rows(data, epoch.number)
    labels, protocols = mixed.validation_labels, readings.read_protocols
    read = corpus_rows(labels, readings.read_rows, protocols) if readings.read_rows and labels else None
    form = "full" if data.full_question_share > 0.5 else "short"
    # Where every corpus shows nothing but faces, as drawn ones do, the crops that look like them; else those made here.
    own = [reader_class(name).framing for name in data.corpora]
    framing = Framing(**own[0]) if all(own) else data.framing
    return Source(
        mixed.train, mixed.validation, read, mixed.manifest, form, data.turns_per_image, framing, epoch, mixed
    )


def _drawn(
    drawing: DrawnFaceArguments, validation_faces: int, readings: ReadingArguments, epoch: EpochOfRun
) -> Source:
    held_out = replace(drawing, faces=validation_faces, first_face=0)
    read = drawn_rows(held_out, readings.read_rows, readings.read_protocols) if readings.read_rows else None
    return Source(
        drawn_faces(drawing, "train"),
        drawn_faces(held_out, "validation"),
        read,
        drawn_manifest(drawing, validation_faces),
        drawing.usual_form,
        drawing.turns_per_face,
        Framing(**ProceduralReader.framing),
        epoch,
    )
