"""From a recipe and files to all that a training needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from g2p_batch.evaluation.edits import require_rapidfuzz
from g2p_batch.evaluation.reference import read_reference
from g2p_batch.languages import LANGUAGES
from g2p_batch.words.wordlist import WordLists
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.train.batches import shares
from g2p_compile.train.data import TrainingLexicon, askable, hold_out, in_small_letters, make_lexicon, sample
from g2p_compile.train.recipe import Recipe
from g2p_compile.train.start import load_start


@dataclass(frozen=True)
class Files:
    """Where words come from.

    Attributes:
        train: files to train on.
        dev: a file to measure by, if any; its words are not trained on.
        hold_out: words of each language, chosen by hash, that are not trained on either; without `dev` they are what is
            measured by.
        dev_words: most words of a language to measure by.
        lang: the tag of all words; without it each file has a column of languages.
    """

    train: Sequence[str]
    dev: str | None = None
    hold_out: int = 0
    dev_words: int = 50
    lang: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A model with its data.

    Attributes:
        checkpoint: what training starts from; its languages are those that there are examples of.
        lexicon: what to train on.
        dev: words of schema `REFERENCE` to measure by, also of other languages that the model had before.
        held_out: words of schema `REFERENCE` that `hold_out` kept back, if any.
        shares: how often each tag is drawn, by tag.
    """

    checkpoint: Checkpoint
    lexicon: TrainingLexicon
    dev: pa.Table | None
    held_out: pa.Table | None
    shares: dict[str, float]


def prepare(recipe: Recipe, files: Files) -> Prepared:
    """Load the model and read the data.

    Raises:
        InputError, ModelError, UsageError: as their messages say.
    """
    if files.dev is not None or files.hold_out:
        require_rapidfuzz()
    checkpoint = load_start(recipe)
    trained = checkpoint.contract.languages if recipe.start else ()
    # A trained model may learn languages that it does not have yet.
    contract = replace(checkpoint.contract, languages=tuple(sorted({*LANGUAGES, *trained})))
    reference = read_reference(WordLists(tuple(files.train), lang=files.lang), contract.languages)
    words = _as_asked(reference.words, recipe)
    held_out = hold_out(askable(words, contract), files.hold_out) if files.hold_out else None
    dev = held_out
    if files.dev is not None:
        given = read_reference(WordLists((files.dev,), lang=files.lang), contract.languages)
        dev = askable(_as_asked(given.words, recipe), contract)
    kept = [words.select(["lang", "word"]) for words in (held_out, dev) if words is not None]
    lexicon = make_lexicon(
        reference,
        words,
        contract,
        ", ".join(files.train),
        all_variants=recipe.all_variants,
        held_out=pa.concat_tables(kept) if kept else None,
    )
    examples = lexicon.examples
    odds = dict(zip(examples.tags, shares(examples, recipe.mix).tolist(), strict=True))
    if dev is not None:
        dev = sample(dev, {*trained, *examples.tags}, files.dev_words, recipe.mix.seed)
    # Only these: what a fine-tuned model knew of other languages fades, so nobody should be answered by it unawares.
    contract = replace(contract, languages=examples.tags, alphabets=lexicon.alphabets)
    return Prepared(replace(checkpoint, contract=contract), lexicon, dev, held_out, odds)


def _as_asked(words: pa.Table, recipe: Recipe) -> pa.Table:
    return words if recipe.capitals else in_small_letters(words)
