"""From a recipe and files to all that a training needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from g2p_batch.evaluation.edits import require_rapidfuzz
from g2p_batch.languages import LANGUAGES
from g2p_batch.words.wordlist import WordLists
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.train.batches import shares
from g2p_compile.train.data import TrainingLexicon, read_held_out, read_lexicon, sample
from g2p_compile.train.recipe import Recipe
from g2p_compile.train.start import load_start


@dataclass(frozen=True)
class Files:
    """Where words come from.

    Attributes:
        train: files to train on.
        dev: files to measure by, if any; their words are not trained on.
        dev_words: most words of a language to measure by.
        lang: the tag of all words; without it each file has a column of languages.
    """

    train: Sequence[str]
    dev: str | None = None
    dev_words: int = 50
    lang: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A model with its data.

    Attributes:
        checkpoint: what training starts from; its languages are those that there are examples of.
        lexicon: what to train on.
        dev: words of schema `REFERENCE` to measure by, also of other languages that the model had before.
        shares: how often each tag is drawn, by tag.
    """

    checkpoint: Checkpoint
    lexicon: TrainingLexicon
    dev: pa.Table | None
    shares: dict[str, float]


def prepare(recipe: Recipe, files: Files) -> Prepared:
    """Load the model and read the data.

    Raises:
        InputError, ModelError, UsageError: as their messages say.
    """
    if files.dev is not None:
        require_rapidfuzz()
    checkpoint = load_start(recipe)
    trained = checkpoint.contract.languages if recipe.start else ()
    # A trained model may learn languages that it does not have yet.
    contract = replace(checkpoint.contract, languages=tuple(sorted({*LANGUAGES, *trained})))
    dev = None if files.dev is None else read_held_out(WordLists((files.dev,), lang=files.lang), contract)
    source = WordLists(tuple(files.train), lang=files.lang)
    lexicon = read_lexicon(source, contract, all_variants=recipe.all_variants, held_out=dev)
    examples = lexicon.examples
    odds = dict(zip(examples.tags, shares(examples, recipe.mix).tolist(), strict=True))
    if dev is not None:
        dev = sample(dev, {*trained, *examples.tags}, files.dev_words, recipe.mix.seed)
    # Only these: what a fine-tuned model knew of other languages fades, so nobody should be answered by it unawares.
    contract = replace(contract, languages=examples.tags, alphabets=lexicon.alphabets)
    return Prepared(replace(checkpoint, contract=contract), lexicon, dev, odds)
