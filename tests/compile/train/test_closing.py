"""What a program still says otherwise than its lexicon becomes an exception."""

from pathlib import Path

import click
import pyarrow.parquet as pq
from click.testing import CliRunner

from g2p_batch import cli
from g2p_batch.api import G2P
from g2p_batch.model.contract import EXCEPTIONS
from g2p_compile.train import closing
from g2p_compile.train.training import LAST
from tests.helpers.training import lexicon, quick


def test_a_program_whose_exceptions_are_closed_says_its_whole_lexicon(tmp_path: Path) -> None:
    rows = [("ita", f"{a}{b}", f"{a}ː{b}") for a in "abcd" for b in "abcd"]
    rows += [("ita", "Roma", "roːma"), ("ita", "roma", "rɔma"), ("ita", "via", "vi.a"), ("ita", "via", "vja")]
    rows += [("pol", "żar", "ʐar")]
    data = lexicon(tmp_path / "a.tsv", rows)
    assert quick(data, tmp_path / "run").exit_code == 0
    (tmp_path / "run" / LAST / EXCEPTIONS).unlink()
    program, said = tmp_path / "program", tmp_path / "said.parquet"

    def call(command: click.Command, *arguments: str | Path) -> str:
        done = CliRunner().invoke(command, [*map(str, arguments)])
        assert done.exit_code == 0, done.output
        return done.output

    def close(*options: str) -> str:
        call(cli.main, "generate", data, "--model", program, "--format", "parquet", "-o", said, "--restart")
        return call(closing.main, program, said, data, *options)

    call(cli.main, "export", tmp_path / "run" / LAST / "model.toml", "-o", program)
    assert "20 words in 2 tags: 0 rejected, 20 said otherwise" in close()
    assert "20 words in 2 tags: 0 rejected, 0 said otherwise\n20 exceptions" in close()
    whole = G2P(program)
    assert whole(["Roma", "roma", "da"], lang="ita") == ["roːma", "rɔma", "dːa"]
    held = pq.read_table(program / EXCEPTIONS).to_pylist()
    assert [row["pron"] for row in held if row["word"] == "via"] == ["vi.a", "vja"]
    assert "19 words in 1 tags: 0 rejected, 0 said otherwise\n19 exceptions" in close("--omit", "pol")
    assert G2P(program)(["żar"], lang="pol") != ["ʐar"]
