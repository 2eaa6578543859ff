"""A stand-in for a language model, so that programs run without one. It copies; it understands not.

It is good for trying out what happens around a model: retrieval, batches, conditions, timelines.
Answers are sentences of the prompt that share words with its question.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from flowir.runtime.llm import Completion, Message, Usage
from flowir.runtime.primitives.program import Decode, Program

NAME = "extractive stand-in"
SENTENCES = 2
"""Of an answer."""

_COMMON = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be been by can did do does for from had has have how i if in into is
        it its no not of on or our so that the their them there these they this those to too was we
        were what when where which who whom whose why will with you your
        about answer context one only question say says short text texts three two use using""",
    )
)


class ExtractiveModel:
    """See the module; a model client (:class:`flowir.runtime.llm.WritingLLM`) for one program.

    Lists get the question, its words that are not common, and the rarer half of these; labels the
    first that is asked for; verdicts are ACCEPT.

    Args:
        piece_s: seconds for each word that it writes.
    """

    provider = NAME

    def __init__(self, program: Program, piece_s: float = 0.002) -> None:
        self._steps = {
            site or node.name: step
            for site, node, step in zip(
                program.sites, program.graph.nodes, program.steps, strict=True
            )
            if isinstance(step, Decode)
        }
        self._piece_s = piece_s

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        *_, answer = [piece async for piece in self.pieces(node, messages, model=model, **params)]
        assert isinstance(answer, Completion)
        return answer

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | Completion]:
        """The answer, word by word."""
        prompt = "\n".join(message["content"] for message in messages)
        words = re.findall(r"\s*\S+|\s+", self._answer(node, prompt))
        words = words[: params.get("max_tokens") or len(words)]
        for word in words:
            await asyncio.sleep(self._piece_s)
            yield word
        usage = Usage(len(prompt.split()), len(words))
        yield Completion("".join(words), usage, None, NAME)

    def _answer(self, node: str, prompt: str) -> str:
        step = self._steps.get(node)
        question = asked(prompt)
        if step is None:
            return question
        if step.labels:
            return step.labels[0]
        match step.agent.parser:
            case "verdict":
                return "ACCEPT"
            case "lines":
                return "\n".join(variants(question))
            case "json" if step.agent.gives.startswith("list["):
                return json.dumps(variants(question))
            case "json":
                return json.dumps(extract(question, prompt))
            case _:
                return extract(question, prompt)


def asked(prompt: str) -> str:
    """The question of a prompt: the last line with a question mark, else its last line."""
    lines = [line.strip() for line in prompt.splitlines() if line.strip()] or [""]
    questions = [line for line in lines if line.endswith("?")]
    return re.sub(r"^[\w ]{1,20}:\s+", "", questions[-1] if questions else lines[-1])


def variants(question: str) -> Sequence[str]:
    """Three ways to search for a question."""
    words = [word for word in re.findall(r"[\w-]+", question) if word.lower() not in _COMMON]
    longest = sorted(words, key=lambda word: (-len(word), words.index(word)))
    half = longest[: max(1, len(longest) // 2)]
    return [question, " ".join(words) or question, " ".join(half) or question]


def extract(question: str, prompt: str) -> str:
    """The sentences of a prompt that share most with a question, rare words counting more."""
    parts = re.split(r"(?<=[.!?:])\s+|^\d{1,3}\.\s", prompt, flags=re.MULTILINE)
    texts = (" ".join(part.split()) for part in parts)
    sentences = list(dict.fromkeys(text for text in texts if text.endswith(".")))
    seen = Counter(word for sentence in sentences for word in _words(sentence))
    wanted = _words(question)

    def shared(sentence: str) -> float:
        return sum(math.log(1 + len(sentences) / seen[w]) for w in _words(sentence) & wanted)

    best = sorted(sentences, key=shared, reverse=True)[:SENTENCES]
    found = [sentence for sentence in best if shared(sentence) > 0]
    return " ".join(found) or "Nothing in the text answers that."


def _words(text: str) -> set[str]:
    """Words without their endings, but for common ones."""
    found = {word for word in re.findall(r"\w+", text.lower()) if word not in _COMMON}
    return {re.sub(r"(?:ies|es|s|ing|ed)$", "", word) for word in found}
