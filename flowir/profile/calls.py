"""The profiler's calls in a store: every one is on the disk when it ends, and none is made twice.

SQLite's write-ahead log keeps what was committed when the process is killed. `synchronous` is
NORMAL: a power failure may take the last calls, which are then made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from flowir.configuration import Configuration
from flowir.errors import ProfileError
from flowir.profile.cells import parse_budget, parse_params
from flowir.profile.locked import LockedStore
from flowir.profile.schema import CALL, VERSION, check_version, insertion, prepare
from flowir.profile.writing import sound

PROFILE, REFERENCE, JUDGE = "profile", "reference", "judge"
"""What a call was made for; of these only the first kind are observations."""

TOOL = "tool"
"""The purpose of a row that is no call: a verdict of a tool. It is an observation, and the name of
what stands where others have a model."""

Texts = Literal["keep", "hash"]
"""Whether prompts and outputs stay in the store, or SHA-256 of them alone."""


class Key(NamedTuple):
    """Which request a call answers; equal keys are the same request, made once.

    Attributes:
        agent: the sub-agent, or for a judge's call who judges.
        variant: tells the inputs apart that one query gave the agent; mostly empty.
        repetition: counts draws of the same request, from 0.
    """

    purpose: str
    agent: str
    configuration: Configuration
    query: str
    variant: str = ""
    repetition: int = 0

    @property
    def text(self) -> str:
        """The key as it is stored."""
        chosen = self.configuration
        parts = [self.purpose, self.agent, chosen.model, chosen.budget, dict(chosen.params)]
        return json.dumps([*parts, self.query, self.variant, self.repetition], ensure_ascii=False)


@dataclass(frozen=True)
class Judgement:
    """What was found of an answer.

    Attributes:
        judge: who found it.
        correct: 0..1, None where only `answer` says something.
        answer: see :class:`flowir.profile.observations.Observation`.
        proxy: what stood in for labels; empty where `correct` rests on labels.
    """

    judge: str
    correct: float | None
    answer: str | None = None
    proxy: str = ""


@dataclass(frozen=True)
class Call:
    """A request that was answered. Seconds, tokens, US dollars; None where not known.

    Attributes:
        prompt: the messages as (role, content).
        output: the text of the answer; None where only its hash was kept.
        ended_at: seconds since the epoch.
    """

    key: Key
    prompt: tuple[tuple[str, str], ...]
    output: str | None
    answered_by: str
    latency_s: float | None
    ttft_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    input_correct: bool = True
    ended_at: float = 0.0
    prompt_hash: str = ""
    judgement: Judgement | None = None


def prompt_hash(messages: tuple[tuple[str, str], ...]) -> str:
    """SHA-256 of the messages."""
    return _hash(json.dumps(messages, ensure_ascii=False))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_calls(path: str | Path) -> dict[Key, Call]:
    """The calls of a store, without their texts; none where there is no file. Locks nobody out.

    Raises:
        ProfileError: the file is no store.
    """
    path = Path(path)
    if not path.exists():
        return {}
    try:
        address = f"{path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            if check_version(path, database) < VERSION:
                return {}
            loaded = _loaded(database, texts=False)
            return {call.key: call for call in loaded if call.key.purpose != TOOL}
    except sqlite3.Error as error:
        raise ProfileError(f"{path}: not a profile store ({error})") from None


def _loaded(
    database: sqlite3.Connection, *, texts: bool, purpose: str | None = None
) -> Iterator[Call]:
    """Stored calls, in the order in which they ended."""
    hidden = () if texts else ("prompt", "output")
    columns = (f"NULL AS {name}" if name in hidden else name for name in CALL)
    condition = "" if purpose is None else "WHERE purpose = ?"
    cursor = database.cursor()
    cursor.row_factory = sqlite3.Row
    given = () if purpose is None else (purpose,)
    query = f"SELECT {', '.join(columns)} FROM call {condition} ORDER BY rowid"
    yield from map(_call, cursor.execute(query, given))


class CallStore(LockedStore):
    """The calls of one profile; use it as a context manager. One process at a time may have it.

    Args:
        texts: whether prompts and outputs are kept. Where they are not, an output stays until it is
            judged (a call that is not judged yet would have to be made again), and is overwritten
            then; a reference run's texts stay until `forget_texts`.

    Attributes:
        calls: finished calls by key, in the order in which they ended. Texts are there only where
            `load` read them.
        verdicts: of tools, by key.

    Raises:
        ProfileError: another process writes to the store, or the file is no store.
    """

    KIND = "profile store"
    RESULT = "call"
    BUSY = (
        "another profiler is writing to this store; wait for it, or give this one a store of its "
        "own and fit both"
    )

    def __init__(self, path: str | Path, texts: Texts = "keep") -> None:
        super().__init__(path)
        self.texts = texts
        self.calls: dict[Key, Call] = {}
        self.verdicts: dict[Key, Call] = {}

    def _prepare(self) -> None:
        prepare(self.path, self._database)

    def _read(self) -> None:
        for call in self.load(texts=False):
            self._kept(call.key)[call.key] = call

    def load(self, *, texts: bool = True, purpose: str | None = None) -> Iterator[Call]:
        """Stored calls, in the order in which they ended."""
        return _loaded(self._database, texts=texts, purpose=purpose)

    def _kept(self, key: Key) -> dict[Key, Call]:
        return self.verdicts if key.purpose == TOOL else self.calls

    def output(self, key: Key) -> str:
        """The text of a stored call, empty where it was not kept."""
        row = self._database.execute("SELECT output FROM call WHERE key = ?", (key.text,))
        return (row.fetchone() or ("",))[0] or ""

    def add(self, call: Call) -> None:
        """Store a call that ended, with its judgement where it has one."""
        judged = call.judgement or Judgement("", None)
        prompt = json.dumps(call.prompt, ensure_ascii=False)
        output = call.output or ""
        kept = self.texts == "keep" or call.key.purpose != PROFILE
        unjudged = call.judgement is None
        digest = prompt_hash(call.prompt)
        key = call.key
        cells = {
            "key": key.text,
            "purpose": key.purpose,
            "sub_agent": key.agent,
            "model": key.configuration.model,
            "budget": key.configuration.budget,
            "params": json.dumps(dict(key.configuration.params)),
            "query_id": key.query,
            "variant": key.variant,
            "repetition": key.repetition,
            "input_correct": int(call.input_correct),
            "prompt_hash": digest,
            "prompt": sound(prompt) if kept else None,
            "output_hash": _hash(output),
            "output": sound(output) if kept or unjudged else None,
            "answered_by": call.answered_by,
            "latency_s": call.latency_s,
            "ttft_s": call.ttft_s,
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "cost_usd": call.cost_usd,
            "ended_at": call.ended_at or time.time(),
            "judge": judged.judge or None,
            "proxy": judged.proxy,
            "correct": judged.correct,
            "answer": judged.answer,
        }
        self._writer.write(insertion("call"), tuple(cells[name] for name in CALL))
        self._kept(key)[key] = replace(call, prompt=(), output=None, prompt_hash=digest)

    def judge(self, key: Key, judged: Judgement) -> None:
        """Store what was found of a stored call."""
        output = "" if self.texts == "keep" else ", output = NULL"
        self._writer.write(
            f"UPDATE call SET judge = ?, proxy = ?, correct = ?, answer = ?{output} WHERE key = ?",
            (judged.judge, judged.proxy, judged.correct, judged.answer, key.text),
        )
        self.calls[key] = replace(self.calls[key], judgement=judged)

    def fail(self, key: Key, reason: str, status: int | None) -> None:
        """Store that a request failed for reasons of the environment. It stays to be made."""
        self._writer.write(
            insertion("failure"),
            (key.text, key.configuration.model, status, reason, time.time()),
        )

    def forget_texts(self) -> None:
        """Overwrite all texts where they are not to be kept: nothing will need them any more."""
        if self.texts == "hash":
            self._writer.write(
                "UPDATE call SET prompt = NULL, output = NULL WHERE judge IS NOT NULL "
                f"OR purpose != '{PROFILE}'",
                (),
            )


def _call(row: Mapping[str, Any]) -> Call:
    configuration = Configuration(
        row["model"], parse_budget(row["budget"]), parse_params(row["params"])
    )
    prompt = () if row["prompt"] is None else tuple(map(tuple, json.loads(row["prompt"])))
    return Call(
        Key(
            row["purpose"],
            row["sub_agent"],
            configuration,
            row["query_id"],
            row["variant"],
            row["repetition"],
        ),
        prompt,
        row["output"],
        row["answered_by"],
        row["latency_s"],
        row["ttft_s"],
        row["input_tokens"],
        row["output_tokens"],
        row["cost_usd"],
        bool(row["input_correct"]),
        row["ended_at"],
        row["prompt_hash"],
        None
        if row["judge"] is None
        else Judgement(row["judge"], row["correct"], row["answer"], row["proxy"]),
    )
