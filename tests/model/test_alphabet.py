"""Alphabets: counted, written, read, and found with a checkpoint."""

from pathlib import Path

import pyarrow as pa
import pytest

from g2p_batch.errors import ModelError
from g2p_batch.languages import LANGUAGES
from g2p_batch.model.alphabet import count_alphabets, read_alphabets, to_json
from g2p_batch.model.contract import load_contract
from g2p_batch.model.resolve import model_config
from g2p_batch.model.shipped import BUNDLED, shipped


def test_characters_are_counted_once_a_word_and_once_for_equal_words() -> None:
    rows = [("fra", "été"), ("fra", "été"), ("ita", "te"), ("fra", "te")]
    langs, words = zip(*rows, strict=True)
    table = pa.table({"lang": langs, "word": words})
    counted = count_alphabets(table.to_batches(max_chunksize=2))
    assert counted == {"fra": {"t": 2, "e": 1, "é": 1}, "ita": {"e": 1, "t": 1}}
    assert [*counted["fra"]] == ["t", "e", "é"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    alphabets = {"fra": {"é": 3, '"': 1}, "zho-s": {"中": 2}}
    (tmp_path / "alphabet.json").write_bytes(to_json(alphabets))
    assert read_alphabets(tmp_path / "alphabet.json") == alphabets
    assert len((tmp_path / "alphabet.json").read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as alphabets"),
        ('{"fra": 1}', "cannot be read as alphabets"),
        ('{"fra": {"ab": 1}}', "fra has 'ab': give single characters"),
        ('{"fra": {"a": 0}}', "fra has 'a': give single characters, each with a count of at least 1"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        read_alphabets(tmp_path / "a.json")
    with pytest.raises(ModelError, match=r"absent\.json cannot be read as alphabets"):
        read_alphabets(tmp_path / "absent.json")


def test_every_language_of_the_bundled_model_has_an_alphabet() -> None:
    contract = load_contract(BUNDLED)
    assert set(contract.alphabets) == set(contract.languages)


def test_checkpoints_of_charsiu_have_the_alphabets_of_their_training_splits() -> None:
    config = model_config("charsiu/g2p_multilingual_byT5_tiny_16_layers_100")
    alphabets = config.alphabets()
    assert alphabets == read_alphabets(shipped("configs/models/charsiu_alphabet.json"))
    assert len(alphabets) == 91
    assert set(LANGUAGES) - set(alphabets) == {"ara", "fra", "fra-qu", "ger", "jpn", "rus", "spa", "spa-me", "swe"}
    assert alphabets["gre"]["σ"] > 1000 > alphabets["gre"].get("ς", 0)


def test_a_configuration_names_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "my.json").write_text('{"fra": {"é": 1}, "ita": {"a": 1}}', encoding="utf-8")
    (tmp_path / "m.toml").write_text('source = "x"\nlanguages = ["fra"]\nalphabet = "my.json"\n', encoding="utf-8")
    assert model_config(str(tmp_path / "m.toml")).alphabets() == {"fra": {"é": 1}}
    assert model_config("someone/else").alphabets() == {}
    with pytest.raises(ModelError, match="is not a model configuration"):
        model_config(str(tmp_path / "absent.toml"))
