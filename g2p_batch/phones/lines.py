"""Lines of the small files that users give: phone maps and phone lists."""

from collections.abc import Iterable
from pathlib import Path

from g2p_batch.errors import InputError


def numbered_lines(path: Path, what: str) -> Iterable[tuple[int, str]]:
    """Return the lines of a small UTF-8 file, numbered from 1, without their ends.

    Raises:
        InputError: the file cannot be read, or is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read as a {what}: {error.strerror}; name a file that exists") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start}: save it as UTF-8") from error
    return enumerate(text.replace("\r\n", "\n").split("\n"), 1)
