"""The command line answers at once, and complains in one line."""

import shlex
import subprocess
import sys
import time

import pytest

from tfp_flows.cli import main, parser
from tfp_flows.cli.errors import in_flags
from tfp_flows.cli.runs.options import FitOptions


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
        *(
            (f"fit d.csv --out o --bounds {text}", "expected NAME=LOW:HIGH")
            for text in ("a", "a=", "a=:", "a=1:0", "a=0:0", "=0:", "a=0:inf", "a=x:")
        ),
        ("fit d.csv --out o --header maybe", "'auto'"),
        ("fit d.csv --out o --flow planar", "autoregressive-affine"),
        ("sample run --out o.csv", "-n"),
    ],
)
def test_wrong_words_are_one_line(refused, words, message):
    assert message in refused(*words.split())


def test_names_are_separated_by_commas():
    words = ["fit", "d", "--out", "o", "--columns", "a, b c", "--context", "d"]
    words += ["--exclude", '"Length, mm",e', "--exclude", "f", "--weights", "w, kg"]
    parsed = parser.build_parser().parse_args([*words, "--missing", "?"])
    options = FitOptions.from_namespace(parsed)
    assert options.columns == ("a", "b c")
    assert options.context == ("d",)
    assert options.exclude == ("Length, mm", "e", "f")
    assert options.weights == "w, kg"
    assert options.missing == ("?",)


def test_what_a_message_says_is_read_back():
    names = ["Length, mm", 'say "no"', "it's", "plain"]
    words = ["fit", "d", "--out", "o", *shlex.split(in_flags("exclude", names))]
    assert parser.build_parser().parse_args(words).exclude == names


def test_bounds_may_be_open_on_one_side():
    assert parser.parse_bound("a=0:") == ("a", 0.0, None)
    assert parser.parse_bound("a=b=:1e3") == ("a=b", None, 1000.0)
    assert parser.parse_bound("Length, mm=-1:1") == ("Length, mm", -1.0, 1.0)


def test_data_lists_the_built_in_sets(capsys):
    assert main(["data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert names[:3] == ["alanine", "checkerboard", "digits"]
