"""Words as a model is asked for them."""

from collections.abc import Sequence

import pyarrow as pa

from g2p_batch.model.contract import Contract


def planned(words: Sequence[str], langs: Sequence[str], contract: Contract) -> pa.Table:
    """Return N words, each of a language, as `pronounce` takes them.

    Returns:
        A table with columns `word` and `lang` (string) and `src_bytes` (int32), bytes of prefix plus word.
    """
    prefix_bytes = {lang: len(contract.prefix_for(lang).encode()) for lang in set(langs)}
    src_bytes = [len(word.encode()) + prefix_bytes[lang] for word, lang in zip(words, langs, strict=True)]
    columns = [pa.array(words, pa.string()), pa.array(langs, pa.string()), pa.array(src_bytes, pa.int32())]
    return pa.table(columns, ["word", "lang", "src_bytes"])
