"""The command line answers at once, and complains in one line."""

import subprocess
import sys
import time

import pytest

from tfp_flows.cli import main, parser


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from tfp_flows.cli import main\n"
        "try:\n    main(['fit', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'numpy', 'tensorflow', 'keras', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        seconds.append(time.perf_counter() - start)
        assert done.returncode == 0, done.stderr
    assert "--learning-rate" in done.stdout
    assert min(seconds) < 0.5


def test_module_runs_as_command():
    done = subprocess.run(
        [sys.executable, "-m", "tfp_flows.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count(".") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "COMMAND"),
        ("fly", "invalid choice: 'fly'"),
        ("fit data.csv", "--out"),
        ("fit d.csv --out o --epochs 0", "expected an integer from 1"),
        ("fit d.csv --out o --epochs many", "received 'many'"),
        ("fit d.csv --out o --learning-rate nan", "expected a positive number"),
        ("fit d.csv --out o --validation 1.5", "expected a fraction"),
        ("fit d.csv --out o --columns ,", "separated by commas"),
        ("fit d.csv --out o --flow planar", "autoregressive-affine"),
        ("sample run --out o.csv", "-n"),
    ],
)
def test_wrong_words_are_one_line(refused, words, message):
    assert message in refused(*words.split())


def test_names_are_separated_by_commas():
    words = ["fit", "d", "--out", "o", "--columns", "a, b c", "--context", "d"]
    parsed = parser.build_parser().parse_args(words)
    assert parsed.columns == ("a", "b c")
    assert parsed.context == ("d",)


def test_data_lists_the_built_in_sets(capsys):
    assert main(["data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines][:2] == ["checkerboard", "digits"]
