"""Bases: stock LLaVA checkpoints of every kind are taken as they are; everything else is refused before weights are read."""

import copy
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaProcessor,
    Qwen2Config,
    SiglipVisionConfig,
)

from aullava.action_units import PROTOCOLS, question
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.dataset_builder.chat.turns import make_turn
from aullava.plan_aullava import compile_plan
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.arguments import ModelArguments
from aullava.training.data.collator import TurnCollator
from aullava.training.data.turn_tokens import IGNORED
from aullava.training.model.base import base_config, base_processor, load_base, load_for_training
from aullava.training.model.learning import set_to_learn
from aullava.training.model.scratch import ScratchArguments

from tiny import CLIP_PATCH, CLIP_SIDE, TOKENIZERS, TOWERS, tiny_config, tiny_model, tiny_processor

# What llava-1.5 writes: all images first, a space behind every text, nothing at the end of an answer.
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))


def llama_like():
    """A tokenizer that puts its first token before every text, as Llama's does."""
    words = copy.deepcopy(TOKENIZERS["splitting digits"]())
    words.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", words.bos_token_id)]
    )
    return words


def stock(kind: str) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """Tiny stock models: CLIP and Llama as llava-1.5, SigLIP and Qwen with tied embeddings as llava-interleave."""
    words = llama_like()
    shared = {"vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    shared |= {"num_attention_heads": 2, "num_key_value_heads": 2}
    if kind == "llava-1.5":
        ours = tiny_config("clip")
        config = LlavaConfig(
            vision_config=ours.vision_config.to_dict(),
            text_config=ours.text_config.to_dict() | shared,
            image_token_index=words.convert_tokens_to_ids("<image>"),
            image_seq_length=16,
        )
    else:
        vision = SiglipVisionConfig(
            image_size=CLIP_SIDE,
            patch_size=CLIP_PATCH,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            vision_use_head=False,
        )
        config = LlavaConfig(
            vision_config=vision,
            text_config=Qwen2Config(**shared, tie_word_embeddings=True),
            image_token_index=words.convert_tokens_to_ids("<image>"),
            image_seq_length=16,
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
        )
    torch.manual_seed(0)
    processor = LlavaProcessor(
        image_processor=tiny_processor("clip").image_processor,
        tokenizer=words,
        patch_size=CLIP_PATCH,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=int(kind == "llava-1.5"),
        chat_template=LLAVA_TEMPLATE,
    )
    return LlavaForConditionalGeneration(config).eval(), processor


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """kind, format -> a folder of a stock checkpoint in that key format."""
    folders = {}
    for kind in ("llava-1.5", "llava-interleave"):
        model, processor = stock(kind)
        for old in (True, False):
            folder = tmp_path_factory.mktemp("base")
            model.save_pretrained(folder, save_original_format=old)
            processor.save_pretrained(folder)
            folders[kind, old] = folder
    return folders


@pytest.fixture
def base(saved, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(saved["llava-1.5", False], tmp_path / "base")


def change(folder, **fields) -> str:
    """Set fields of the config.json, or drop those given as None."""
    path = folder / "config.json"
    config = {key: value for key, value in (json.loads(path.read_text()) | fields).items() if value is not None}
    path.write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("kind", ["llava-1.5", "llava-interleave"])
def test_a_stock_checkpoint_loads_in_both_formats_with_equal_logits(saved, kind, old):
    folder = saved[kind, old]
    keys = load_file(folder / "model.safetensors").keys()
    assert any(key.startswith("language_model.model.") for key in keys) == old
    theirs = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    ours, processor = load_base(str(folder))
    batch = processor.encode([PICTURE], "which?")
    with torch.no_grad():
        assert torch.equal(ours.eval()(**batch).logits, theirs(**batch).logits)


def test_a_config_without_image_seq_length_gets_what_its_tower_puts_out(base):
    assert base_config(change(base, image_seq_length=None)).image_seq_length == 16


def test_the_chat_template_gets_the_first_token_that_the_tokenizer_would_write(saved):
    folder = str(saved["llava-1.5", False])
    processor = base_processor(folder, base_config(folder), "image_first")
    assert processor.prompt("which?") == "<s>USER: <image>\nwhich? ASSISTANT:"
    ids = processor.encode([PICTURE], "which?")["input_ids"][0].tolist()
    assert ids.count(processor.tokenizer.bos_token_id) == 1


def test_a_template_that_writes_the_first_token_is_left_alone(saved, tmp_path):
    folder = shutil.copytree(saved["llava-1.5", False], tmp_path / "own")
    template = "{{ bos_token }}" + LLAVA_TEMPLATE
    (folder / "chat_template.jinja").write_text(template)
    assert base_processor(str(folder), base_config(str(folder)), "image_first").chat_template == template


@pytest.mark.parametrize("name", ["bp4d", "disfa", "feafa"])
def test_what_is_learnt_stands_where_it_is_read(saved, name):
    """The collator's tokens and the read-out's are the same behind a template and tokenizer that are not ours."""
    model, processor = load_base(str(saved["llava-1.5", True]))
    protocol = PROTOCOLS[name]
    turn = make_turn(dict.fromkeys(protocol.units, 1), protocol, "short")
    batch = TurnCollator(processor, template_loss_fraction=0.0)([{"images": [PICTURE], "turns": [turn], "row": "a"}])
    prompt = processor.prompt(question(protocol, "short"))
    plan = compile_plan(processor.tokenizer, prompt, protocol)
    said = "1.00" if name == "feafa" else "1"
    value = processor.tokenizer.decode([t for t in batch["labels"][0].tolist() if t != IGNORED])
    assert value.replace(" ", "") == said * len(protocol.units) + "</s>"
    ids = [t for t in batch["input_ids"][0].tolist() if t != processor.image_token_id]
    asked = processor.encode([PICTURE], question(protocol, "short"))["input_ids"][0].tolist()
    start = [t for t in asked if t != processor.image_token_id] + list(plan.slots[0].literal)
    assert ids[: len(start)] == start
    (reading,) = model.recognize(PICTURE, processor=processor, protocol=name)
    assert reading.status == "ok"


def test_frozen_weights_are_kept_in_their_precision_and_learning_ones_in_float32(saved):
    arguments = ModelArguments(
        checkpoint=str(saved["llava-1.5", True]),
        freeze_tower=True,
        freeze_language_model=True,
        frozen_dtype="bfloat16",
    )
    model, _ = load_for_training(arguments, ScratchArguments())
    dtypes = {(p.requires_grad, p.dtype) for p in model.parameters()}
    assert dtypes == {(True, torch.float32), (False, torch.bfloat16)}


def test_missing_bases_are_named():
    for name in ("/nowhere", "nowhere/at-all"):
        with pytest.raises(ValueError, match=f"checkpoint='{name}' cannot be opened") as error:
            base_config(name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("other", [BertConfig(), Qwen2Config(), LlavaNextConfig()], ids=lambda c: c.model_type)
def test_what_is_no_llava_is_refused_by_its_config_alone(tmp_path, other):
    other.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"is a {other.model_type} model: expected a LLaVA") as error:
        load_base(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_llava_that_does_not_fit_itself_is_refused(base):
    with pytest.raises(ValueError, match="image_token_index is 99999"):
        base_config(change(base, image_token_index=99999))


def test_a_base_without_processor_or_chat_template_is_refused(base):
    (base / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="has no chat template: add a chat_template.jinja"):
        load_base(str(base))
    (base / "processor_config.json").unlink()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).unlink()
    with pytest.raises(ValueError, match="has no complete processor"):
        load_base(str(base))


def test_a_processor_of_another_image_size_is_refused(base):
    path = base / "processor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"patch_size": 16}))
    with pytest.raises(ValueError, match="writes 4 image tokens for an image of 32 px, its model gives 16"):
        load_base(str(base))


def test_a_template_that_cannot_write_the_layout_is_refused(base):
    arguments = ModelArguments(checkpoint=str(base), prompt_layout="instruction_first")
    with pytest.raises(ValueError, match="the chat template puts the image first"):
        load_for_training(arguments, ScratchArguments())


@pytest.mark.parametrize(
    "damage, said",
    [
        (
            lambda w: w | {"model.language_model.extra.weight": torch.zeros(2)},
            "1 tensors that do not belong to its config.json",
        ),
        (lambda w: {k: v for k, v in w.items() if "lm_head" not in k}, "no weights for 1 parameters"),
    ],
    ids=["unexpected", "missing"],
)
def test_weights_that_do_not_fit_are_refused(base, damage, said):
    weights = load_file(base / "model.safetensors")
    save_file(damage(weights), base / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=said):
        load_base(str(base))


def test_packed_turns_need_the_kernel_that_keeps_them_apart(base):
    arguments = ModelArguments(checkpoint=str(base), attn_implementation="eager")
    arguments.packed = True  # as if transformers had chosen it
    with pytest.raises(ValueError, match="packed=True, but transformers chose the attention 'eager'"):
        load_for_training(arguments, ScratchArguments())


def test_the_attention_is_passed_on(base):
    model, _ = load_for_training(ModelArguments(checkpoint=str(base), attn_implementation="eager"), ScratchArguments())
    assert model.config.text_config._attn_implementation == "eager"
    scratch = ModelArguments(from_scratch=True, attn_implementation="eager")
    model, _ = load_for_training(scratch, ScratchArguments(tower_width=24, tower_depths=[1], language_width=32))
    assert model.config.text_config._attn_implementation == "eager"


def test_4_bit_without_its_library_is_refused(base):
    from transformers.utils import is_bitsandbytes_available

    if is_bitsandbytes_available():
        pytest.skip("bitsandbytes is installed here")
    with pytest.raises(ValueError, match="load_in_4bit=True needs bitsandbytes"):
        load_for_training(ModelArguments(checkpoint=str(base), lora_r=2, load_in_4bit=True), ScratchArguments())


def test_our_processor_is_what_training_gets(base):
    _, processor = load_for_training(ModelArguments(checkpoint=str(base)), ScratchArguments())
    assert isinstance(processor, AULlavaProcessor)


@pytest.mark.parametrize("tower", TOWERS)
def test_activation_checkpointing_leaves_the_gradient_as_it_is(tower):
    model, processor = tiny_model(tower)
    batch = dict(TurnCollator(processor)(list(drawn_faces(DrawnFaceArguments(faces=2, draw_size=32)))))
    set_to_learn(model, ModelArguments(checkpoint="x")).train()

    def gradient():
        model.zero_grad()
        model(**batch).loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    plain = gradient()
    model.activation_checkpointing_enable()
    assert model.model.vision_tower.is_activation_checkpointing
    assert torch.allclose(gradient(), plain, atol=1e-6)
