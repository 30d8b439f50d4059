"""The report tells what was measured: as text, as JSON and as a picture."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from g2p_batch.errors import PackageError, UsageError
from g2p_compile.bench import (
    Cost,
    Missed,
    Profile,
    Report,
    ReportLine,
    Skipped,
    Subject,
    Use,
    Variants,
    draw,
    require_plot,
)
from g2p_compile.bench.flops import Work
from g2p_compile.bench.results import OnDevice


def test_the_report_tells_what_a_gpu_was_asked_for() -> None:
    plain = report()
    subject = replace(plain.subjects[0], profile=None, on_device=OnDevice(3 << 30, 12, 85))
    text = replace(plain, subjects=(subject,), workers=1).to_text()
    assert text.startswith("A CPU (2 cores), 1 worker; ")
    assert "Time of one worker" not in text
    assert "On the GPU: 3,072 MiB in use; 12 chunks encoded, 85 rounds of steps, a graph each" in text
    assert "On the GPU" not in plain.to_text()


def report() -> Report:
    lines = (
        ReportLine("g2p-batch", "float32", "2 workers", 2000.0, (1900.0, 2000.0, 2100.0), 4.0, 10),
        ReportLine("CTranslate2", "int8", "64 words, 2x1 threads", 400.0, (390.0, 400.0, 410.0), 25.0, 9),
    )
    seconds = {"encode": 5.0, "prefill": 0.5, "step": 4.0, "loop": 0.5}
    subject = Subject(
        name="bundled",
        work=Work(words=10, source=185, source_pairs=3500, tokens=135, token_pairs=1000, crossed=2500),
        flops=1_234_000_000,
        lines=lines,
        skipped=(Skipped("ONNX Runtime float32", "onnxruntime not installed"),),
        cost=Cost(load_s=0.05, compile_s=4.25, artifact_bytes=3 * 2**20),
        profile=Profile(seconds, encoder=Use(185, 200), decoder=Use(135, 180)),
    )
    return Report("A CPU (2 cores)", 2, {"float32": 512.4e9, "bfloat16": 1e12}, 1100 * 2**20, (subject,))


def test_the_report_gives_medians_ratios_shares_and_what_was_skipped() -> None:
    assert report().to_text().splitlines() == [
        "A CPU (2 cores), 2 workers; words/s are medians of interleaved rounds",
        "Peak of matrix products here on as many threads, in GFLOP/s: float32 512, bfloat16 1,000",
        "Peak memory of this process, all contestants included: 1,100 MiB",
        "",
        "bundled: 10 words of 18.5 bytes and 13.5 tokens, 123.4 MFLOP each",
        "                     words/s  slowest  fastest  ours is  of peak   one word     same  setting",
        "  g2p-batch float32    2,000    1,900    2,100    1.00x    48.2%     4.0 ms  100.00%  2 workers",
        "  CTranslate2 int8       400      390      410    5.00x        -    25.0 ms   90.00%  64 words, 2x1 threads",
        "  ONNX Runtime float32 skipped: onnxruntime not installed",
        "  Ours: compiled in 4.2 s to 3.0 MiB, loaded in 0.05 s",
        "  Time of one worker: encode 50.0%, prefill 5.0%, step 40.0%, loop 5.0%",
        "  Useful rows, of those computed: encoder 92.5%, decoder 75.0%",
    ]


def test_the_json_holds_all_figures_and_the_share_of_the_peak() -> None:
    raw = json.loads(report().to_json())
    ours, theirs = raw["subjects"][0]["lines"]
    assert (round(ours["of_peak"], 4), theirs["of_peak"]) == (0.4817, None)
    assert raw["subjects"][0]["profile"]["decoder"] == {"useful": 135, "computed": 180}


def of_variants() -> Report:
    plain = report()
    ours, theirs = plain.subjects[0].lines
    lines = (
        ours,
        replace(ours, name="g2p-batch all", words_per_s=1600.0),
        replace(ours, name="g2p-batch greedy", words_per_s=4000.0, same_strings=8),
        replace(theirs, missed=Missed(best=1, lists=5, sets=3)),
    )
    subject = replace(plain.subjects[0], lines=lines, profile=None, variants=Variants(4, 0.01, proven=10, all_proven=9))
    return replace(plain, ceilings={}, subjects=(subject,))


def test_the_report_tells_what_of_several_outputs_the_peers_missed() -> None:
    assert of_variants().to_text().splitlines()[1:] == [
        "Peak memory of this process, all contestants included: 1,100 MiB",
        "",
        "bundled: 10 words of 18.5 bytes and 13.5 tokens, 123.4 MFLOP each",
        "                            words/s  slowest  fastest  ours is  of peak   one word     same  setting",
        "  g2p-batch float32           2,000    1,900    2,100    1.00x        -     4.0 ms  100.00%  2 workers",
        "  g2p-batch all float32       1,600    1,900    2,100    1.25x        -     4.0 ms  100.00%  2 workers",
        "  g2p-batch greedy float32    4,000    1,900    2,100    0.50x        -     4.0 ms   80.00%  2 workers",
        "  CTranslate2 int8              400      390      410    5.00x        -    25.0 ms   90.00%  "
        "64 words, 2x1 threads",
        "  ONNX Runtime float32 skipped: onnxruntime not installed",
        "  4 outputs of a word; g2p-batch leaves out those less probable than 0.01 of the best, the others "
        "leave out none",
        "  Proven: 10 of 10 words by g2p-batch, 9 by g2p-batch all",
        "  Of the 9 words, those for which a peer has another",
        "                               best     list      set",
        "  CTranslate2 int8                1        5        3",
        "  Ours: compiled in 4.2 s to 3.0 MiB, loaded in 0.05 s",
    ]
    raw = json.loads(of_variants().to_json())["subjects"][0]
    assert raw["variants"] == {"asked": 4, "min_share": 0.01, "proven": 10, "all_proven": 9}
    assert [line["missed"] for line in raw["lines"]] == [None, None, None, {"best": 1, "lists": 5, "sets": 3}]


@pytest.mark.parametrize(("name", "start"), [("speed.svg", b"<?xml"), ("speed.png", b"\x89PNG")])
def test_the_report_is_drawn(tmp_path: Path, name: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    draw(report(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_picture_that_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"speed\.pdf is no picture: give a file that ends in \.png or"):
        require_plot(Path("speed.pdf"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PackageError, match="drawing needs matplotlib: `pip install 'g2p-batch"):
        require_plot(Path("speed.svg"))
