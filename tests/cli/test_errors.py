"""What the library calls an argument, the command calls a flag."""

import pathlib
import re

import pytest

from tfp_flows import data
from tfp_flows.cli.errors import in_flags
from tfp_flows.cli.parser import build_parser


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("columns", None, "--columns"),
        ("drop_invalid", True, "--drop-invalid"),
        ("exclude", ["a", "b"], "--exclude a,b"),
        ("exclude", ["a, mm", "b"], "--exclude '\"a, mm\",b'"),
        ("integers", "dequantize", "--integers dequantize"),
        ("validation", 0.5, "--validation 0.5"),
        ("how", "tail", "--split tail"),
    ],
)
def test_argument_is_typed_as_a_flag(argument, value, words):
    assert in_flags(argument, value) == words


def test_every_argument_of_a_message_is_a_flag_of_fit(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["fit", "--help"])
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    sources = pathlib.Path(data.__file__).parent.rglob("*.py")
    text = "".join(path.read_text() for path in sources)
    named = set(re.findall(r'Argument\("(\w+)"', text)) | {"columns", "context"}
    assert len(named) > 6
    assert {in_flags(name, None) for name in named} <= flags


def test_a_flag_that_a_command_lacks_has_no_words():
    assert in_flags("exclude", ["a"], offered={"drop_invalid"}) is None
    assert in_flags("how", "tail", offered={"split"}) == "--split tail"


def test_user_of_the_command_reads_flags_alone(refused, tables, tmp_path):
    table, out = tables.csv(b=1.0), tmp_path / "run"
    assert refused("fit", table, "--out", out).endswith("with --exclude b\n")
    words = ["--columns", "a", "--context", "a"]
    message = refused("fit", table, "--out", out, *words)
    assert "in both --columns and --context: " in message
    words = ["--validation", "0.5", "--test", "0.5"]
    message = refused("fit", tables.csv(), "--out", out, *words)
    assert "--validation 0.5 and --test 0.5 leave no rows" in message
