"""Captions of speaking styles, from ratings of valence and arousal, by a causal language model."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from datamodules.cache import cache_folder, kept_json, key_of
from datamodules.captions.caption_validation import (
    REFUSALS,
    CaptionRules,
    caption_problem,
    count_kinds,
    require_valid,
)
from datamodules.captions.source import CaptionSource
from datamodules.captions.stable_choice import number_of
from datamodules.captions.valence_arousal import ValenceArousalCaptions, require_ratings
from datamodules.errors import LanguageModelError
from datamodules.manifest.contents import stamp_of

PREFIX = "The person is speaking"
PROMPT = (
    "Given the following scale of emotions - valence (1-very negative; 7-very positive), arousal (1-very calm; 7-very "
    "active), write a sentence describing a speaking style that is {valence} on valence, {arousal} on arousal. Do not "
    f"use any numbers in the sentence. The sentence should start with: {PREFIX} ..."
)
QUOTES = "\"'*\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
SENTENCE = re.compile(rf".+?[.!?](?=[\s{QUOTES}]|$)")
# Of further tries: a greedy one would repeat its answer.
RETRY_TEMPERATURE = 0.8
# Raise it with any other change of what is asked, of how an answer is read, or of which answers are valid.
FORMAT = 1
COMMIT = re.compile("[0-9a-f]{40}")

Point = tuple[float, float]


class LanguageModel(CaptionSource):
    """One sentence for each distinct pair of valence and arousal, by any causal language model of transformers.

    Sentences are generated once, when the data are prepared, and read from the cache while model, prompt, settings and
    ratings are the same; a model on the hub without a known commit writes anew each time. ``lightning-cli caption --out
    captions.csv`` writes a table for `CaptionFile`, which needs no model.

    Args:
        source: Name on the Hugging Face hub, or a folder that ``save_pretrained`` wrote.
        revision: Commit of a hub name.
        prompt: With ``{valence}`` and ``{arousal}``. A model with a chat template gets it as the user's turn; any other
            goes on from it and from the words of ``prefix``.
        prefix: How every sentence begins; "" for any beginning.
        max_new_tokens: Longest answer.
        decimals: Ratings are rounded to so many; clips with equal ratings share their sentence.
        seed: Of sampling.
        batch_size: Prompts at a time.
        temperature: Of sampling; null takes the most probable token, and samples only to try again.
        retries: How often an answer that cannot be used is asked for again.
        on_bad: What becomes of an answer that still cannot be used: ``raise``, or the sentence of
            ``ValenceArousalCaptions``.

    Raises:
        ValueError: If the prompt does not name ``{valence}`` and ``{arousal}``, or a number is out of range.

    Reference: EmotionRankCLAP, section 3.4 and Figure 2; its model is OpenAI's o1.
    """

    def __init__(
        self,
        source: str,
        revision: str | None = None,
        prompt: str = PROMPT,
        prefix: str = PREFIX,
        max_new_tokens: int = 60,
        decimals: int = 1,
        seed: int = 1,
        batch_size: int = 8,
        temperature: float | None = None,
        retries: int = 3,
        on_bad: Literal["raise", "grammar"] = "raise",
    ) -> None:
        for name in ("{valence}", "{arousal}"):
            if name not in prompt:
                raise ValueError(f"prompt does not name {name}: {prompt!r}")
        if batch_size < 1 or max_new_tokens < 1 or retries < 0 or decimals < 0:
            raise ValueError("batch_size and max_new_tokens must be 1 or more, retries and decimals 0 or more")
        if temperature is not None and temperature <= 0:
            raise ValueError(f"temperature must be positive, or null for the most probable token; got {temperature:g}")
        self.source = source
        self.revision = revision
        self.prompt = prompt
        self.prefix = prefix
        self.max_new_tokens = max_new_tokens
        self.decimals = decimals
        self.seed = seed
        self.batch_size = batch_size
        self.temperature = temperature
        self.retries = retries
        self.on_bad = on_bad
        self.rules = CaptionRules(prefix, forbid_digits=True, whole_sentence=True)

    @property
    def slow(self) -> bool:
        return True

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        require_ratings(rows)
        ratings = rows[["valence", "arousal"]].round(self.decimals)
        points: list[Point] = list(ratings.itertuples(index=False, name=None))
        asked = sorted(set(points))
        key = self._key(asked) if cache_folder() is not None else None
        if key is None:
            sentences = self._sentences(asked)
        else:
            written = kept_json("captions", key, lambda: list(self._sentences(asked).values()))
            sentences = dict(zip(asked, written, strict=True))
        return [sentences[point] for point in points]

    def _key(self, points: Sequence[Point]) -> str | None:
        """Return the cache key of the sentences, all that decides them; None if the model's weights are not known."""
        import torch

        if Path(self.source).is_dir():
            files = sorted(file for file in Path(self.source).rglob("*") if file.is_file())
            weights: object = [stamp_of(str(file)) for file in files]
        else:
            weights = _commit_of(self.source, self.revision)
        if weights is None:
            return None
        settings = {name: value for name, value in vars(self).items() if name != "rules"}
        reading = [FORMAT, REFUSALS.pattern, SENTENCE.pattern, QUOTES, RETRY_TEMPERATURE]
        replacements = self._by_grammar(points) if self.on_bad == "grammar" else {}
        libraries = [version(name) for name in ("torch", "transformers")]
        gpu = torch.cuda.is_available()
        return key_of(
            "sentences", settings, weights, points, reading, list(replacements.values()), libraries, gpu
        ).hex()

    def _sentences(self, points: Sequence[Point]) -> dict[Point, str]:
        """Generate a sentence for each point, and again where it is invalid, at most ``retries`` times."""
        from lightning.pytorch.utilities import rank_zero_info

        rank_zero_info(f"{self.source} writes {len(points)} captions")
        writer = _Writer(self.source, self.revision)
        sentences: dict[Point, str] = {}
        open_points = list(points)
        for attempt in range(1 + self.retries):
            for start in range(0, len(open_points), self.batch_size):
                some = open_points[start : start + self.batch_size]
                sentences.update(zip(some, self._answers(writer, some, attempt), strict=True))
            open_points = [point for point in open_points if caption_problem(sentences[point], self.rules)]
            if not open_points:
                return sentences
        return sentences | self._replaced({point: sentences[point] for point in points}, open_points)

    def _answers(self, writer: "_Writer", points: Sequence[Point], attempt: int) -> list[str]:
        temperature = self.temperature or (RETRY_TEMPERATURE if attempt else None)
        # As many numbers as there are seeds in torch.
        seed = number_of(self.seed, attempt, points) % 2**63
        prompts = [self._prompt(point) for point in points]
        answers = writer.go_on(prompts, self.prefix, self.max_new_tokens, temperature, seed)
        return [_first_sentence(answer) for answer in answers]

    def _prompt(self, point: Point) -> str:
        valence, arousal = (f"{rating:.{self.decimals}f}" for rating in point)
        return self.prompt.replace("{valence}", valence).replace("{arousal}", arousal)

    def _replaced(self, sentences: dict[Point, str], bad: Sequence[Point]) -> dict[Point, str]:
        """Write the points without a valid sentence by the grammar, or refuse them with their number."""
        from lightning.pytorch.utilities import rank_zero_warn

        if self.on_bad == "raise":
            by_name = {f"valence {point[0]:g}, arousal {point[1]:g}": text for point, text in sentences.items()}
            require_valid(
                by_name,
                self.rules,
                f"{self.source} wrote them in {1 + self.retries} tries; choose a larger model, more retries, or "
                "on_bad: grammar (data.texts.caption.init_args)",
            )
        kinds = count_kinds(caption_problem(sentences[point], self.rules) or "" for point in bad)
        rank_zero_warn(
            f"{self.source}: the grammar wrote {len(bad)} of {len(sentences)} captions in its place ({kinds})"
        )
        return self._by_grammar(bad)

    def _by_grammar(self, points: Sequence[Point]) -> dict[Point, str]:
        grammar = ValenceArousalCaptions(self.seed, paraphrases=1)
        return {(valence, arousal): grammar.describe(valence, arousal) for valence, arousal in points}


class _Writer:
    """A language model with its tokenizer."""

    def __init__(self, source: str, revision: str | None) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            # Code that comes with a model is never run; transformers would ask on the terminal.
            known: Any = {"revision": revision, "trust_remote_code": False}
            self.tokenizer: Any = AutoTokenizer.from_pretrained(source, padding_side="left", **known)
            model: Any = AutoModelForCausalLM.from_pretrained(source, dtype="auto", **known)
        except MemoryError:
            raise
        except Exception as error:
            # The parsers of a damaged file raise all kinds: KeyError, RecursionError, SafetensorError.
            reason = str(error).strip().split("\n")[0]
            raise LanguageModelError(
                f"{source}: cannot be loaded ({reason}). Download it once with `hf download {source}`, or set "
                "data.texts.caption.init_args.source to a folder that save_pretrained wrote"
            ) from error
        self.model = model.to(device).eval()
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    def go_on(
        self, prompts: Sequence[str], prefix: str, max_new_tokens: int, temperature: float | None, seed: int
    ) -> list[str]:
        """Generate an answer for each prompt; without a chat template it continues the prompt and the prefix."""
        import torch

        chats = self.tokenizer.chat_template is not None
        asked = [self._as_chat(prompt) if chats else f"{prompt}\n\n{prefix}" for prompt in prompts]
        tokens = self.tokenizer(asked, return_tensors="pt", padding=True, add_special_tokens=not chats)
        tokens = tokens.to(self.model.device)
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            output_NL = self.model.generate(
                **{name: tokens[name] for name in ("input_ids", "attention_mask")},
                max_new_tokens=max_new_tokens,
                do_sample=temperature is not None,
                temperature=temperature,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        new_NL = output_NL[:, tokens["input_ids"].shape[1] :]
        answers = self.tokenizer.batch_decode(new_NL, skip_special_tokens=True)
        return [answer if chats else prefix + answer for answer in answers]

    def _as_chat(self, prompt: str) -> str:
        turn = [{"role": "user", "content": prompt}]
        return str(self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))


def _commit_of(source: str, revision: str | None) -> str | None:
    """Return the commit that a name on the hub stands for now; None if nobody can say."""
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    from transformers.utils.hub import cached_file, extract_commit_hash

    try:
        return extract_commit_hash(cached_file(source, "config.json", revision=revision), None)
    except (OSError, ValueError):
        return None


def _first_sentence(answer: str) -> str:
    """Cut an answer to its first sentence, without the model's thoughts before it and quotes around it."""
    text = answer.rpartition("</think>")[2].strip().lstrip(QUOTES)
    paragraph = " ".join(text.partition("\n\n")[0].split())
    whole = SENTENCE.match(paragraph)
    return whole.group() if whole else paragraph
