"""What a step raises that cannot be done here."""


class SkippedError(Exception):
    """This machine lacks what the step needs; the message says what."""
