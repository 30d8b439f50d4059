"""What the statuses of words and the reasons of rejected rows mean, in a few words."""

STATUS_MEANINGS = {
    "ok": "as the model gave it",
    "truncated": "the output met the longest length and was cut",
    "repeated": "it says a piece four times or more in a row",
    "invalid_utf8": "bytes that are no UTF-8 were dropped",
    "invalid": "control characters or line separators were dropped",
    "empty": "the model gave nothing",
    "unseen_character": "the word has what the model never saw",
    "acronym": "capitals without a vowel letter: may be said letter by letter",
    "unproven": "of several pronunciations a more probable one may be lacking",
}
"""What each of `formats.lexicon.STATUSES` means."""
REASON_MEANINGS = {
    "invalid_utf8": "bytes that are no UTF-8",
    "ragged": "more or fewer cells than the first line",
    "bad_quoting": "a stray quote in CSV",
    "empty": "no word, or nothing from the model",
    "control_character": "a control character in the word",
    "unknown_language": "a language that the model does not know",
    "no_known_letter": "no letter that the model knows",
    "unseen_character": "a character that the model never saw",
    "too_long": "longer than the model takes",
    "low_logprob": "a lower log-probability than --min-logprob",
    "truncated": "the output met the longest length",
    "repeated": "the output says a piece four times or more in a row",
    "invalid": "control characters or line separators in the output",
    "acronym": "capitals without a vowel letter",
    "unproven": "a more probable pronunciation may be lacking",
}
"""What each of `filter.REASONS` means, and each reason of `conform.Unwanted`; the others are those of a format."""
