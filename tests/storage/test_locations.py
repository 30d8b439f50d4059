"""Names of places: paths, and URLs of buckets."""

import pickle
from pathlib import Path

import pytest

from g2p_batch.errors import UsageError
from g2p_batch.storage.locations import Url, located, scrubbed


@pytest.mark.parametrize("text", ["s3://lexicons/run", "gs://b", "az://container/a b/ü{lang}.tsv"])
def test_a_url_prints_as_it_was_given(text: str) -> None:
    place = located(text)
    assert isinstance(place, Url)
    assert str(place) == text
    assert located(f"{text}/") == place == pickle.loads(pickle.dumps(place))


@pytest.mark.parametrize("text", ["run", "/run", "s3:/bucket", "-", "a:b"])
def test_all_else_is_a_path(text: str) -> None:
    assert located(text) == Path(text)


def test_a_url_has_the_parts_of_a_path() -> None:
    place = located("s3://lexicons/out/words.fra.tsv")
    assert isinstance(place, Url)
    assert (place.bucket, place.key) == ("s3://lexicons", "out/words.fra.tsv")
    assert (place.name, place.stem, place.suffix) == ("words.fra.tsv", "words.fra", ".tsv")
    assert str(place.parent / "run") == "s3://lexicons/out/run"
    assert str(place.with_name("x")) == "s3://lexicons/out/x"
    assert located("s3://lexicons") == place.parent.parent


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://host/words.txt", "no place that is known"),
        ("s3a://lexicons/run", "no place that is known"),
        ("s3:///run", "names no place in a bucket"),
        ("s3://lexicons/../other", "names no place in a bucket"),
        ("s3://key:hushhush@lexicons/run", "must not hold credentials"),
        ("https://key:hushhush@host/run?sig=hushhush", "no place that is known"),
    ],
)
def test_other_urls_are_refused_without_repeating_secrets(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        located(text)
    assert "hushhush" not in str(caught.value)


def test_messages_lose_what_may_be_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr/XUtnFEMI+K7MDENG")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "se=2030&sig=abcdefgh")
    said = scrubbed("PUT http://me:pw@host/b/x?X-Amz-Signature=abc in 1s: wJalr/XUtnFEMI+K7MDENG se=2030&sig=abcdefgh")
    assert said == "PUT http://host/b/x in 1s: *** ***"
