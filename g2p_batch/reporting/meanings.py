"""What the statuses of words and the reasons of rejected rows mean, in a few words."""

STATUS_MEANINGS = {
    "ok": "as the model gave it",
    "truncated": "the output met the longest length and was cut",
    "invalid_utf8": "bytes that are no UTF-8 were dropped",
    "invalid": "control characters or line separators were dropped",
    "empty": "the model gave nothing",
}
"""What each of `formats.lexicon.STATUSES` means."""
REASON_MEANINGS = {
    "invalid_utf8": "bytes that are no UTF-8",
    "ragged": "more or fewer cells than the first line",
    "bad_quoting": "a stray quote in CSV",
    "empty": "no word",
    "control_character": "a control character in the word",
    "unknown_language": "a language that the model does not know",
    "too_long": "longer than the model takes",
}
"""What each of `filter.REASONS` means; the others are those of a format."""
