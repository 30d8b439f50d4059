"""What came of all steps, as a table."""

from collections.abc import Iterable, Iterator

from tests.lab.gpu_kit.on_card.runner import Result

_NAME, _DTYPE, _OUTCOME = 22, 10, 9


def table(results: Iterable[Result], head: str) -> str:
    """Return a line for each step, and what follows from several."""
    results = list(results)
    lines = [head, "", f"{'step':{_NAME}}{'format':{_DTYPE}}{'outcome':{_OUTCOME}}{'s':>6}  found"]
    lines += [f"{r.name:{_NAME}}{r.dtype:{_DTYPE}}{r.outcome:{_OUTCOME}}{r.seconds:6.1f}  {r.text}" for r in results]
    return "\n".join([*lines, "", *_compared(results)]) + "\n"


def _compared(results: list[Result]) -> Iterator[str]:
    """Yield shares of the peak, and how many times as fast as the best rival we are."""
    facts = {(r.name, r.dtype): r.facts for r in results}
    ours = {dtype: f for (name, dtype), f in facts.items() if name == "speed" and "words_per_s" in f}
    peaks = facts.get(("peak", ""), {}).get("flops", {})
    for dtype, found in ours.items():
        useful = found["words_per_s"] * found["flops_per_word"]
        share = f", {useful / peaks[dtype]:.1%} of the peak" if dtype in peaks else ""
        yield f"{dtype}: {found['words_per_s']:,.0f} words/s are {useful / 1e12:,.2f} useful TFLOP/s{share}"
    for (name, dtype), found in facts.items():
        if name.startswith("transformers") and "words_per_s" in found and dtype in ours:
            times = ours[dtype]["words_per_s"] / found["words_per_s"]
            yield f"{dtype}: {times:.1f} times {name}, on the words that are easiest for it"
    yield ", ".join(f"{count} {what}" for what, count in _counts(results).items())


def _counts(results: list[Result]) -> dict[str, int]:
    outcomes = [result.outcome for result in results]
    return {what: outcomes.count(what) for what in dict.fromkeys(outcomes)}
