"""Headers of libraries and object files."""

from pathlib import Path


def elf_machine(path: Path) -> int:
    """Return the architecture of an ELF file: 62 is x86-64, 183 aarch64."""
    header = path.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    return int.from_bytes(header[18:20], "little")
