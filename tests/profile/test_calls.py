"""The store of calls: what goes in comes out, whoever else has the file, whatever its age."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.configuration import Configuration
from flowir.errors import ProfileError
from flowir.profile import Observation, observations_of, read_observations, store_observations
from flowir.profile.calls import PROFILE, Call, CallStore, Judgement, Key, prompt_hash
from tests.budget import some

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = texts.filter(lambda text: bool(text.strip()) and text == text.strip())
labels = st.text("abcxyz", min_size=1, max_size=5)
configurations = st.builds(
    Configuration,
    names,
    st.none() | st.integers(0, 10**6) | labels,
    st.lists(
        st.tuples(labels, st.integers(-5, 5) | st.booleans() | labels),
        max_size=2,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
)
keys = st.builds(
    Key,
    st.sampled_from(["profile", "reference", "judge"]),
    names,
    configurations,
    names,
    texts,
    st.integers(0, 9),
)
amounts = st.none() | st.floats(0.001, 1e6)
tokens = st.none() | st.integers(0, 10**9)
judgements = st.builds(
    Judgement, labels, st.none() | st.floats(0, 1), st.none() | labels, st.just("") | labels
)
calls = st.builds(
    Call,
    keys,
    st.lists(st.tuples(st.sampled_from(["system", "user"]), texts), max_size=2).map(tuple),
    texts,
    names,
    amounts,
    amounts,
    tokens,
    tokens,
    amounts,
    st.booleans(),
    st.floats(1, 1e10),
    judgement=st.none() | judgements,
)


@settings(max_examples=some(50))
@given(st.lists(calls, max_size=6, unique_by=lambda call: call.key.text))
def test_calls_come_back_as_they_were(some: list[Call]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "p.sqlite")
        with CallStore(path) as store:
            for call in some:
                store.add(call)
        with CallStore(path) as store:
            found = list(store.load())
            assert list(store.calls) == [call.key for call in some]
    assert found == [replace(call, prompt_hash=prompt_hash(call.prompt)) for call in some]


@given(keys, keys)
def test_keys_are_equal_iff_their_texts_are(one: Key, other: Key) -> None:
    if one.text == other.text:
        assert one == other
    assert one.text == Key(*one).text


def call(query: str = "q", output: str = "out") -> Call:
    key = Key(PROFILE, "a", Configuration("m"), query)
    return Call(key, (("user", "hi"),), output, "m", 1.0, None, 1, 2, 0.5)


def test_a_call_cannot_be_stored_twice(tmp_path: Path) -> None:
    with CallStore(tmp_path / "p.sqlite") as store:
        store.add(call())
        with pytest.raises(ProfileError):
            store.add(call())


def test_a_store_of_version_1_is_read_and_added_to(tmp_path: Path) -> None:
    """As the first flowir wrote it."""
    path = tmp_path / "old.sqlite"
    columns = (
        "sub_agent TEXT NOT NULL, model TEXT NOT NULL, budget, params TEXT NOT NULL, query_id TEXT "
        "NOT NULL, sample TEXT NOT NULL, correct REAL, latency_s REAL, input_tokens REAL, "
        "output_tokens REAL, cost_usd REAL, input_correct INTEGER NOT NULL, answer TEXT, error "
        "INTEGER NOT NULL"
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE observation ({columns})")
        database.execute(
            "INSERT INTO observation VALUES ('a', 'm', NULL, '{}', 'q0', '', 1, 2, NULL, NULL, "
            "NULL, 1, NULL, 0)"
        )
        database.execute("PRAGMA user_version = 1")
        database.execute("PRAGMA application_id = 0x666C6F77")
        database.commit()
    first = Observation("a", Configuration("m"), "q0", "", 1.0, 2.0)
    assert list(read_observations(path).rows()) == [first]
    store_observations(path, observations_of([replaced := first._replace(query="q1")]))
    with CallStore(path) as store:
        store.add(replace(call("q2"), judgement=Judgement("exact", 0.0, "out", "a friend")))
    measured = Observation(
        "a", Configuration("m"), "q2", "0", 0.0, 1.0, 1, 2, 0.5, True, "out", False, "a friend"
    )
    assert list(read_observations(path).rows()) == [first, replaced, measured]


def test_proxies_survive_files_merges_and_selections() -> None:
    rows = [
        Observation("a", Configuration("m"), str(n), correct=1.0, proxy=proxy)
        for n, proxy in enumerate([None, "x", "y", "x"])
    ]
    whole = observations_of(rows)
    assert [row.proxy for row in whole.rows()] == [None, "x", "y", "x"]
    assert whole.content_hash == observations_of(rows[::-1]).content_hash
    bare = observations_of([row._replace(proxy=None) for row in rows])
    assert bare.content_hash != whole.content_hash
    assert whole.select(whole.query == 2).proxies == ("y",)


@pytest.mark.parametrize("pragma", ["user_version = 99", "application_id = 7"])
def test_other_files_are_refused_untouched(tmp_path: Path, pragma: str) -> None:
    path = tmp_path / "p.sqlite"
    with CallStore(path):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA {pragma}")
    before = path.read_bytes()
    with pytest.raises(ProfileError, match=r"version 99|not a profile store"), CallStore(path):
        pass
    assert path.read_bytes() == before
    path.write_text("not SQLite at all, but long enough to be looked at" * 20)
    with pytest.raises(ProfileError, match="profile store"), CallStore(path):
        pass


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "p.sqlite"
    with pytest.raises(ProfileError, match="nowhere"), CallStore(path):
        pass


def test_what_is_read_while_the_profiler_runs_is_what_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    with CallStore(path) as store:
        store.add(call("q0"))
        store.add(call("q1"))
        assert [row.query for row in read_observations(path).rows()] == ["q0", "q1"]


def test_a_full_store_keeps_what_did_not_fit_until_there_is_room(tmp_path: Path) -> None:
    """The first write that fails gives the reserve back; what still does not fit is counted."""
    path = tmp_path / "p.sqlite"
    reserve = tmp_path / "p.sqlite.reserve"
    with CallStore(path) as store:
        database = store._database
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages + 2}")
        assert reserve.exists()
        store.add(call("q0", "x" * 50_000))
        assert store.full
        assert not reserve.exists()
        with pytest.raises(ProfileError, match="disk is full; 1 results could not be stored"):
            store.check()
        database.execute("PRAGMA max_page_count = 100000")
        store.add(call("q1"))
        with pytest.raises(ProfileError, match="every finished call is stored"):
            store.check()
        store._writer.full = False
    with CallStore(path) as store:
        assert [key.query for key in store.calls] == ["q0", "q1"]
