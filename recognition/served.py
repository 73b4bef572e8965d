"""A stock checkpoint on a server with OpenAI's API (`transformers serve`, vLLM, SGLang), in place of a loaded model.

Faces are cropped here, the server answers in text, and the answers are parsed here. That is mode "generate", so there are no
probabilities.
"""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from aullava.action_units import Protocol, parse, question, render, value_of, value_strings
from aullava.configuration_aullava import AULlavaConfig
from aullava.readout_aullava import AUReading

_TOKENS_A_CHARACTER = 1  # at most
_GREETING = 10  # seconds in which the server has to show that it is there
_PATIENCE = 300  # seconds that it may take for one answer


class ServedModel:
    """Reads faces as `AULlavaForConditionalGeneration.recognize_many` does, on a server.

    Args:
        url: of the API, such as "http://localhost:8000/v1".
        checkpoint: folder or Hub id. The server knows the model by it, and its configuration is read from it here.
        at_once: most requests at a time.

    Raises:
        ValueError: the server does not answer, or there is no configuration.
        ImportError: the client library is missing.
    """

    def __init__(self, url: str, checkpoint: str | Path, at_once: int = 32):
        try:
            from openai import APIConnectionError, OpenAI, OpenAIError
        except ImportError as error:
            raise ImportError("asking a server needs openai: pip install 'au-llava[serving]'") from error
        try:
            if Path(checkpoint).is_dir() and not (Path(checkpoint) / "config.json").is_file():
                raise FileNotFoundError("the folder holds none")  # transformers would take its defaults
            self.config = AULlavaConfig.from_pretrained(checkpoint)
        except OSError as error:
            raise ValueError(f"no config.json of checkpoint {checkpoint}: {str(error).splitlines()[0]}") from error
        self.url, self.name, self._at_once = url, str(checkpoint), at_once
        self._client = OpenAI(base_url=url, api_key="none", timeout=_PATIENCE, max_retries=3)
        try:
            self._client.with_options(max_retries=0, timeout=_GREETING).models.list()
        except APIConnectionError as error:
            raise ValueError(f"no server answers at {url}: {error.__cause__ or error}") from error
        except OpenAIError:  # the server is there but has no such list
            pass

    def recognize_many(
        self, images: Sequence[Image.Image], processor, protocols: Sequence[Protocol], mode: str, batch_size: int = 32
    ) -> list[dict[str, AUReading]]:
        """One dictionary per image, in order: protocol name -> what the server answered.

        Args:
            processor, batch_size: unused, for the signature of a loaded model; the server has its own.
            mode: "generate".

        Raises:
            ConnectionError: the server does not answer, or refuses the request.
            ValueError: any other mode.
        """
        if mode != "generate":
            raise ValueError(f"mode is {mode!r}: a server answers in text, expected generate")
        with ThreadPoolExecutor(self._at_once) as pool:
            asked = [[pool.submit(self._ask, image, protocol) for protocol in protocols] for image in images]
            try:
                return [
                    {protocol.name: answer.result() for protocol, answer in zip(protocols, of_image, strict=True)}
                    for of_image in asked
                ]
            except BaseException:  # Ctrl-C as well
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _ask(self, image: Image.Image, protocol: Protocol) -> AUReading:
        from openai import OpenAIError

        file = io.BytesIO()
        image.save(file, "PNG")  # without loss
        url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        parts = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": question(protocol, self.config.question_form)},
        ]
        if self.config.prompt_layout != "image_first":
            parts.reverse()
        highest = value_of(value_strings(protocol.scale)[-1], protocol.scale)
        longest = len(
            render(dict.fromkeys(protocol.units, highest), protocol)
        )  # no well-formed answer has more characters
        try:
            answer = self._client.chat.completions.create(
                model=self.name,
                messages=[{"role": "user", "content": parts}],
                temperature=0,
                max_tokens=_TOKENS_A_CHARACTER * longest + 1,
            )
        except OpenAIError as error:
            raise ConnectionError(f"{self.url} did not answer about model {self.name}: {error}") from error
        text = (answer.choices[0].message.content or "").strip()
        parsed = parse(text, protocol, strict=False)
        return AUReading(dict(parsed.values), text=text, status=parsed.status)
