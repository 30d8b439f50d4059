"""What templates make of figures."""

from g2p_batch.reporting.filters import byte_size, duration, number


def test_numbers_are_said_for_people() -> None:
    assert [number(-0.126, 2), number(1234567), number(-1234.5, 1)] == ["−0.13", "1,234,567", "−1,234.5"]
    assert [*map(duration, (0.04, 59.94, 60, 3599.6, 90_061))] == [
        "0.04 s",
        "59.9 s",
        "1 min 0 s",
        "1 h 0 min",
        "25 h 1 min",
    ]
    assert [*map(byte_size, (0, 1023, 1024, 5 << 20, 3 << 40))] == [
        *("0 bytes", "1,023 bytes", "1.0 KiB", "5.0 MiB", "3,072.0 GiB")
    ]
