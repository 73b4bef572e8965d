"""What a run writes at the end: a full checkpoint, or its adapters.

python -m aullava.training.run.saving ADAPTERS OUT    merges adapters into their base, as --merge_lora does at the end of a run
"""

import argparse
from pathlib import Path

import torch
from peft import PeftConfig, PeftModel

from aullava.checkpoint.decision import decision_files
from aullava.common.files import replaced_folder
from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.arguments import SAVED_DTYPES, ModelArguments
from aullava.training.model.base import load_base

MODEL_CONFIG = "model_config.json"  # not config.json, by which transformers would take the folder for a whole model


def save_result(
    model: AULlavaForConditionalGeneration | PeftModel,
    processor: AULlavaProcessor,
    folder: str | Path,
    arguments: ModelArguments,
    weights: dict[str, torch.Tensor] | None = None,
) -> list[Path]:
    """Write the result of a run into its folder, from one process.

    Args:
        folder: the run's; gets `model`, a full checkpoint, or with LoRA `adapters`, and `model` only with merge_lora.
        arguments: saved_dtype, merge_lora.
        weights: the model's state, where its parameters are sharded; default: the model's own.

    Returns:
        The folders written.
    """
    folder = Path(folder)
    if not isinstance(model, PeftModel):
        return [save_checkpoint(model, processor, folder / "model", arguments.saved_dtype, weights)]
    written = [save_adapters(model, processor, folder / "adapters", weights)]
    if arguments.merge_lora:
        written.append(merge_adapters(written[0], folder / "model", arguments.saved_dtype))
    return written


def save_adapters(
    model: PeftModel, processor: AULlavaProcessor, folder: str | Path, weights: dict[str, torch.Tensor] | None = None
) -> Path:
    """Write adapters and projector, the name of their base, the processor, and the model's configuration (MODEL_CONFIG).

    `PeftModel.from_pretrained(base, folder)` restores the model.
    """
    with replaced_folder(Path(folder)) as new:
        model.save_pretrained(new, state_dict=weights)
        (new / "README.md").unlink(missing_ok=True)  # peft's card is an empty template
        processor.save_pretrained(new)
        model.get_base_model().config.to_json_file(new / MODEL_CONFIG)
    return Path(folder)


def merge_adapters(
    adapters: str | Path, folder: str | Path, dtype: str = "bfloat16", checkpoint: str | None = None
) -> Path:
    """Merge adapters into their base, in float32, and write the full checkpoint.

    Args:
        adapters: a folder of `save_adapters`.
        folder: where to write.
        dtype: precision of the saved weights.
        checkpoint: the base, if it is no longer where the adapters say.

    Raises:
        ValueError: not a folder of adapters, or the base cannot be used.
    """
    adapters = Path(adapters)
    if missing := [
        name
        for name in ("adapter_config.json", MODEL_CONFIG, "adapter_model.safetensors")
        if not (adapters / name).is_file()
    ]:
        raise ValueError(f"{adapters} has no {missing[0]}: expected a folder of adapters that train_sft.py wrote")
    checkpoint = checkpoint or PeftConfig.from_pretrained(adapters).base_model_name_or_path
    how = AULlavaConfig.from_json_file(adapters / MODEL_CONFIG)
    model, _ = load_base(checkpoint, layout=how.prompt_layout)
    model = PeftModel.from_pretrained(model, adapters).merge_and_unload()
    for name in ("question_form", "prompt_layout", "framing"):
        setattr(model.config, name, getattr(how, name))
    model.config.calibration = {}  # it was the base's
    return save_checkpoint(model, AULlavaProcessor.from_pretrained(adapters), folder, dtype)


def save_checkpoint(
    model: AULlavaForConditionalGeneration,
    processor: AULlavaProcessor,
    folder: str | Path,
    dtype: str,
    weights: dict[str, torch.Tensor] | None = None,
) -> Path:
    """Write weights, configuration and processor, without training state; the folder appears complete.

    With them go the files of transformers' decision API, unless it could not read this checkpoint, which is printed.

    Args:
        dtype: precision of the saved weights. The configuration keeps the model's own, so that a small file is still loaded
            and run in float32 on a CPU.
        weights: the state to write; default: the model's.
    """
    precision = getattr(torch, dtype)
    weights = {name: tensor.to(precision) for name, tensor in (weights or model.state_dict()).items()}
    with replaced_folder(Path(folder)) as new:
        model.save_pretrained(new, state_dict=weights)
        processor.save_pretrained(new)
        try:
            for name, text in decision_files(processor, model.config).items():
                (new / name).write_text(text, encoding="utf-8")
        except ValueError as error:
            print(f"the checkpoint has no files for the decision API: {error}")
    return Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Merge adapters into their base and write the full checkpoint.")
    parser.add_argument("adapters", type=Path, help="folder that train_sft.py wrote with --lora_r")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--dtype", choices=SAVED_DTYPES, default="bfloat16", help="precision of the saved weights")
    parser.add_argument("--checkpoint", help="the base, if it is no longer where the adapters say")
    given = parser.parse_args()
    print(f"checkpoint written to {merge_adapters(given.adapters, given.out, given.dtype, given.checkpoint)}")


if __name__ == "__main__":
    main()
