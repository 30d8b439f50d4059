"""Stores: folders and buckets keep the same promises."""

import io
import pickle
import random
import sys
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from g2p_batch.errors import InputError, OutputError, PackageError, UsageError
from g2p_batch.storage import object_store, store_at
from g2p_batch.storage.locations import Location, Url, located
from g2p_batch.storage.object_store import objects_at, open_object, version_of
from g2p_batch.storage.store import FileVersion, Store
from g2p_batch.words.wordlist import WordLists, read


def new_place(kind: str, request: pytest.FixtureRequest, folder: Path) -> Location:
    if kind == "folder":
        return folder / uuid.uuid4().hex
    if kind == "memory":
        request.getfixturevalue("memory_bucket")
        return located(f"s3://memory/{uuid.uuid4().hex}")
    return located(f"{request.getfixturevalue('s3_bucket')}/{uuid.uuid4().hex}")


@pytest.fixture
def memory_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    obstore = pytest.importorskip("obstore.store", reason="needs obstore, of the extra `cloud`")
    memory = obstore.MemoryStore()
    monkeypatch.setattr(object_store, "_client", lambda _bucket: memory)


KINDS = ["folder", "memory", pytest.param("s3", marks=pytest.mark.s3)]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_at(new_place(request.param, request, tmp_path))


def test_a_name_is_taken_once(store: Store) -> None:
    assert store.put_if_absent("done/000001.json", b"first")
    assert not store.put_if_absent("done/000001.json", b"second")
    assert store.get("done/000001.json") == b"first"


def test_of_many_writers_at_once_one_wins(store: Store) -> None:
    won: list[bytes] = []
    barrier = threading.Barrier(16)

    def race(mine: bytes) -> None:
        barrier.wait()
        if store.put_if_absent("parts/one", mine):
            won.append(mine)

    threads = [threading.Thread(target=race, args=(b"%d" % number * 1000,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.get("parts/one")] == won


def test_a_file_is_listed_in_its_folder_only_and_with_its_size(store: Store) -> None:
    for name in ("plan.json", "parts/b", "parts/a", "parts-of-others/c", "parts/deep/d"):
        store.put(name, name.encode())
    listed = [entry for entry in store.list("parts") if entry.name != "parts/deep"]  # a folder lists its folders too
    assert [(entry.name, entry.size_bytes) for entry in listed] == [("parts/a", 7), ("parts/b", 7)]
    assert "plan.json" in [entry.name for entry in store.list("")]
    assert store.list("absent") == ()


def test_what_is_absent_is_no_error(store: Store) -> None:
    assert (store.get("absent"), store.head("absent"), store.stamp("absent")) == (None, None, None)
    store.remove("absent")
    store.clear("absent")


def test_a_cleared_folder_is_empty_and_its_neighbours_stay(store: Store) -> None:
    for name in ("parts/a", "parts/deep/b", "parts-2/c"):
        store.put(name, b"x")
    store.clear("parts")
    assert store.list("parts") == ()
    assert (store.get("parts/deep/b"), store.get("parts-2/c")) == (None, b"x")


def test_many_files_are_read_in_the_order_asked_for(store: Store) -> None:
    names = [f"done/{number:06d}" for number in range(40)]
    for name in names[::2]:
        store.put(name, name.encode())
    asked = names[::-1]
    wanted = [name.encode() if name in names[::2] else None for name in asked]
    assert list(store.get_all(asked)) == wanted


def test_a_result_appears_whole_and_its_facts_change_with_it(store: Store) -> None:
    store.make()
    store.require_writable("ü lexicon.tsv")
    store.publish("ü lexicon.tsv", lambda draft: draft.write_bytes(b"one") and None)
    before = store.stamp("ü lexicon.tsv")
    store.publish("ü lexicon.tsv", lambda draft: draft.write_bytes(b"two") and None)
    assert store.get("ü lexicon.tsv") == b"two"
    assert before is not None
    assert store.stamp("ü lexicon.tsv") not in (before, None)


def test_a_result_that_fails_leaves_the_one_before(store: Store) -> None:
    store.make()
    store.publish("lexicon.tsv", lambda draft: draft.write_bytes(b"one") and None)

    def fail(draft: Path) -> None:
        draft.write_bytes(b"half")
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        store.publish("lexicon.tsv", fail)
    assert store.get("lexicon.tsv") == b"one"
    assert store.drafts("") == ()


def test_a_full_temporary_disk_is_told(store: Store) -> None:
    store.make()
    with pytest.raises(OutputError, match="free some space"):
        store.publish("lexicon.tsv", lambda _: Path("/dev/full").write_bytes(b"x" * 100_000) and None)
    assert store.get("lexicon.tsv") is None


def test_a_file_can_be_read_on_this_machine(store: Store, tmp_path: Path) -> None:
    store.put("parts/a.parquet", b"data")
    assert store.local("parts/a.parquet", b"data", tmp_path).read_bytes() == b"data"


def test_temporary_files_are_gone_afterwards(store: Store) -> None:
    with store.scratch("merge") as folder:
        (folder / "sorted").write_bytes(b"x")
    assert not folder.exists()


def test_a_store_can_be_sent_to_a_worker(store: Store) -> None:
    store.put("plan.json", b"x")
    assert pickle.loads(pickle.dumps(store)).get("plan.json") == b"x"


NAMES = st.sampled_from(["plan.json", "done/1", "done/2", "parts/1"])
CALLS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "put_if_absent"]), NAMES, st.binary(max_size=4)),
        st.tuples(st.sampled_from(["get", "remove"]), NAMES),
        st.tuples(st.sampled_from(["clear", "list"]), st.sampled_from(["done", "parts"])),
    ),
    max_size=12,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS)
def test_any_calls_find_what_a_dictionary_would(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, calls: list[tuple[Any, ...]]
) -> None:
    store, model = store_at(new_place(kind, request, tmp_path)), dict[str, bytes]()
    for call, name, *data in calls:
        found = getattr(store, call)(name, *data)
        if call == "put" or (call == "put_if_absent" and name not in model):
            assert found in (None, True)
            model[name] = data[0]
        elif call == "put_if_absent":
            assert not found
        elif call == "get":
            assert found == model.get(name)
        elif call == "remove":
            model.pop(name, None)
        elif call == "clear":
            model = {known: value for known, value in model.items() if not known.startswith(f"{name}/")}
        else:
            wanted = [(known, len(model[known])) for known in sorted(model) if known.startswith(f"{name}/")]
            assert [(entry.name, entry.size_bytes) for entry in found] == wanted


def test_a_folder_of_files_is_refused_in_a_bucket(memory_bucket: None) -> None:
    with pytest.raises(UsageError, match=r"s3://memory/dict would be a folder of files"):
        store_at(located("s3://memory")).require_writable("dict", ("lexicon.txt",))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)  # as if it were not installed
    with pytest.raises(PackageError, match=r"pip install 'g2p-batch\[cloud\]'"):
        store_at(located("s3://lexicons/run")).get("plan.json")
    with pytest.raises(PackageError, match=r"pip install 'g2p-batch\[cloud\]'"):
        read(WordLists(("s3://lexicons/words.tsv",)))


# Objects that are read in place


@pytest.fixture(params=KINDS[1:])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Url:
    place = new_place(request.param, request, tmp_path)
    assert isinstance(place, Url)
    return place


def test_an_object_or_all_below_a_name_are_found_in_order(bucket: Url) -> None:
    for name in ("lists/b.txt", "lists/a/ü 1.txt", "lists.txt", "lists-2/c.txt"):
        store_at(bucket).put(name, b"x")
    assert objects_at(bucket / "lists.txt") == [bucket / "lists.txt"]
    assert objects_at(bucket / "lists") == [bucket / "lists" / "a" / "ü 1.txt", bucket / "lists" / "b.txt"]
    assert set(objects_at(bucket)) <= set(objects_at(Url(bucket.scheme, bucket.path.parents[-2])))
    for absent in ("list", "lists/b"):
        with pytest.raises(InputError, match="does not exist: check the name"):
            objects_at(bucket / absent)


def test_the_version_of_an_object_is_its_size_and_entity_tag(bucket: Url) -> None:
    place = bucket / "words.txt"
    store_at(bucket).put("words.txt", b"one")
    before = version_of(place)
    assert (before.size_bytes, before.modified_ns, (before.etag or '"').count('"')) == (3, 0, 0)
    store_at(bucket).put("words.txt", b"two!")
    assert version_of(place) not in (before, None)
    with pytest.raises(InputError, match=r"absent\.txt does not exist: check the name"):
        version_of(bucket / "absent.txt")


def test_an_object_without_an_entity_tag_is_known_by_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    written = datetime(2026, 11, 29, 9, 30, 0, 123456, tzinfo=UTC)
    described = {"size": 3, "e_tag": None, "last_modified": written}
    monkeypatch.setattr(object_store, "_head", lambda _url, _error: described)
    assert version_of(Url("s3", PurePosixPath("lexicons/words.txt"))) == FileVersion(3, 1_795_944_600_123_456_000, None)


def test_an_object_is_read_at_any_place_as_a_file_is(bucket: Url, monkeypatch: pytest.MonkeyPatch) -> None:
    data, chance = random.Random(1).randbytes(5000), random.Random(2)
    store_at(bucket).put("data", data)
    monkeypatch.setattr(object_store, "_BLOCK_BYTES", 100)
    monkeypatch.setattr(object_store, "_PIECE_BYTES", 700)
    plain = io.BytesIO(data)
    with open_object(bucket / "data") as file:
        for _ in range(40):
            at, size, whence = chance.randrange(5500), chance.choice([0, 1, 50, 1500]), chance.choice([0, 1, 2])
            at = max(at, 0) if whence == 0 else -min(at, plain.tell() if whence == 1 else 5000)
            assert (file.seek(at, whence), file.read(size)) == (plain.seek(at, whence), plain.read(size))
            assert file.tell() == plain.tell()
        assert (file.seek(0), file.read()) == (0, data)
    assert file.closed
    store_at(bucket).put("empty", b"")
    assert open_object(bucket / "empty").read() == b""
