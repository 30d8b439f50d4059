"""Which setting a peer races in, and whom a race on a GPU has. No test looks at a clock."""

import pytest

from g2p_compile.bench.gpu_ceiling import gpu_ceilings
from g2p_compile.bench.ground import GROUNDS
from g2p_compile.bench.race import Tuned


def test_a_race_on_a_gpu_has_its_own_peers_and_ceiling() -> None:
    ground = GROUNDS["cuda"]
    assert {entry.name.split()[0] for entry in ground.always + ground.others} == {"transformers"}
    assert not set(ground.always) & set(GROUNDS["cpu"].always)
    assert set(gpu_ceilings(1, device="cpu", size=64)) == {"float32", "bfloat16", "float16"}


class Clocked:
    """A peer whose settings cost seconds of a clock that only it moves."""

    name, dtype = "Clocked", "float32"

    def __init__(self, settings: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings, self.now, self.ran = settings, 0.0, list[tuple[int, int]]()
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def run(self, setting: int, words: list[str], langs: list[str]) -> list[str]:
        self.now += setting
        self.ran.append((setting, len(words)))
        return words


def test_a_peer_races_in_the_setting_that_was_fastest_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Clocked((100, 110, 90, 200), monkeypatch)
    tuned = Tuned(peer, ["a"] * 1000, ["ita"] * 1000)
    assert tuned.setting == "90"
    assert [setting for setting, _ in peer.ran] == [100, 100, 110, 90, 200, 100, 90]
    assert {words for _, words in peer.ran} == {512}


def test_what_a_first_run_compiles_is_not_timed_and_a_setting_that_fails_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Compiling(Clocked):
        def run(self, setting: int, words: list[str], langs: list[str]) -> list[str]:
            if setting == 300:
                raise MemoryError
            self.now += 1000 * (setting not in [known for known, _ in self.ran])
            return super().run(setting, words, langs)

    peer = Compiling((100, 90, 300), monkeypatch)
    assert Tuned(peer, ["a"], ["ita"], warm=True).setting == "90"
    with pytest.raises(MemoryError):
        Tuned(Compiling((300,), monkeypatch), ["a"], ["ita"])
