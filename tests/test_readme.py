"""The README runs as printed, block after block, as a reader would paste it."""

import pathlib
import re
import subprocess
import sys
import textwrap

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_python_blocks_run_as_printed(tmp_path):
    blocks = re.findall(r"( *)```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    program = "\n".join(textwrap.dedent(code) for _, code in blocks)
    program += "\nassert rows.shape == (1000, 3)\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "saved_model").is_dir()
    assert len(blocks[0][1].strip().splitlines()) <= 12
