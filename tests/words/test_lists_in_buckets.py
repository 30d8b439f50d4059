"""Word lists that are read from buckets."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2p_batch.storage import store_at
from g2p_batch.storage.locations import located
from tests.helpers.object_server import SECRET, Fault, ObjectServer
from tests.helpers.word_lists import PACKERS, failure, rows

pytestmark = pytest.mark.s3


def put(bucket: str, name: str, data: bytes) -> str:
    store_at(located(bucket)).put(name, data)
    return f"{bucket}/{name}"


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


TABLE = pa.table({"word": ["eau", "Straße"], "lang": ["fra", "ger"]})
TSV = "word\tlang\neau\tfra\nStraße\tger\n".encode()
KINDS = {
    "words.tsv": TSV,
    "words.csv": TSV.replace(b"\t", b","),
    "words.tsv.gz": PACKERS[".gz"](TSV),
    "words.csv.zst": PACKERS[".zst"](TSV.replace(b"\t", b",")),
    "words.parquet": parquet(TABLE),
}


@pytest.mark.parametrize("name", KINDS)
def test_word_lists_of_every_kind_are_read_from_a_bucket(s3_bucket: str, name: str) -> None:
    assert rows(put(s3_bucket, f"lists/{name}", KINDS[name])) == [("eau", "fra", None), ("Straße", "ger", None)]


def test_all_word_lists_below_a_name_are_read_in_order_and_markers_are_not(s3_bucket: str) -> None:
    for name, data in {
        "lists/b/2.txt": b"two\n",
        "lists/a/1.txt": b"one\n",
        "lists/_SUCCESS": b"",
        "lists/notes.md": b"#",
        "lists-of-others/3.txt": b"three\n",
    }.items():
        put(s3_bucket, name, data)
    assert rows(f"{s3_bucket}/lists", lang="fra") == rows(f"{s3_bucket}/lists/", lang="fra")
    assert rows(f"{s3_bucket}/lists", lang="fra") == [("one", "fra", None), ("two", "fra", None)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.txt", "does not exist: check the name"),
        ("*.txt", "is a pattern, which buckets do not know"),
        ("empty", "holds no word list"),
        ("broken.parquet", r"cannot be read \(.*: the file is damaged or not what its name says"),
        ("broken.tsv.gz", r"cannot be read \(.*: the file is damaged or not what its name says"),
    ],
)
def test_inputs_that_cannot_be_read_are_named(s3_bucket: str, name: str, reason: str) -> None:
    put(s3_bucket, "empty/readme.md", b"#")
    put(s3_bucket, "broken.parquet", b"no parquet")
    put(s3_bucket, "broken.tsv.gz", b"no gzip")
    message = failure(f"{s3_bucket}/{name}", lang="fra")
    assert message.startswith(f"{s3_bucket}/{name} ")
    assert re.search(reason, message)


@pytest.mark.parametrize("name", ["words.tsv", "words.parquet"])
def test_word_lists_are_read_from_a_store_that_fails_now_and_then(
    s3_server: ObjectServer, s3_bucket: str, name: str
) -> None:
    words = [f"word{number}" for number in range(20_000)]
    table = pa.table({"word": words, "lang": ["fra"] * len(words)})
    text = "word\tlang\n" + "".join(f"{word}\tfra\n" for word in words)
    put(s3_bucket, name, parquet(table) if name.endswith("parquet") else text.encode())
    with s3_server.failing(Fault(lambda number, _: number % 3 == 0, refused=True)) as fault:
        assert [word for word, _, _ in rows(f"{s3_bucket}/{name}")] == words
    assert fault.met > 2


def test_a_store_that_refuses_is_named_without_secrets(s3_server: ObjectServer, s3_bucket: str) -> None:
    body = f"<Error><Code>SignatureDoesNotMatch</Code><Message>No {SECRET}</Message><Signed>{SECRET}</Signed></Error>"
    denied = Fault(lambda *_: True, refused=True, answer=("403 Forbidden", body.encode()))
    place = f"{s3_bucket}/words.txt"
    with s3_server.failing(denied):
        message = failure(place, lang="fra")
    assert SECRET not in message
    assert message.startswith(f"{place} cannot be read (")
    assert "credentials, region and endpoint" in message
    put(s3_bucket, "words.txt", b"eau\n")
    denied.chosen = lambda _, environ: environ["REQUEST_METHOD"] == "GET"  # an answer that has a text
    with s3_server.failing(denied):
        message = failure(place, lang="fra")
    assert message == (
        f"{place} cannot be read (SignatureDoesNotMatch: No ***): correct the credentials in the environment"
    )
