"""A browser takes the page as it is."""

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from g2p_batch.reporting import write_report
from tests.helpers.runs import fake_decoding, job_in
from tests.reporting.pages import HOSTILE

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


FRAME = """<!doctype html><iframe style="width:390px;height:844px" frameborder="0" srcdoc="{page}"></iframe><script>
onload = () => {{
  const page = frames[0].document
  for (const part of page.querySelectorAll("details")) part.open = true
  const root = page.documentElement
  document.title = `${{frames[0].innerWidth}} px, ${{root.scrollWidth - root.clientWidth}} too wide`
}}
</script>"""
"""Shows a page as wide as a phone, which a browser's own window cannot always be, and measures it."""


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
def test_a_browser_shows_the_page_without_complaint_and_as_wide_as_a_phone(tmp_path: Path) -> None:
    text = "word\tlang\n" + "".join(f"{word}\tfra\n{word}\tzz<b>\n" for word in HOSTILE)
    job = job_in(tmp_path, text + "x" * 60 + "\teng-us\n" + "".join(f"w{n}\tger\n" for n in range(30)))
    job(fake_decoding(workers=1))
    (job.options.run_dir / "done" / "000001.json").unlink()
    path = tmp_path / "page.html"
    write_report(job.run, path)
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=escape(path.read_text(encoding="utf-8"))), encoding="utf-8")
    command = [str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", frame.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, timeout=100)
    assert re.findall("<title>(.* wide)</title>", shown.stdout) == ["390 px, 0 too wide"]
    assert [line for line in shown.stderr.splitlines() if ":CONSOLE" in line] == []
