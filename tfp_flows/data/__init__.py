"""Tables and small images: reading, describing, checking and splitting them."""

from tfp_flows.data.bounds import check_bounds, moved_end
from tfp_flows.data.builtin import BUILT_IN, load_builtin
from tfp_flows.data.builtin.molecules import Molecules, conformations, g2_molecules
from tfp_flows.data.check import IntegerPolicy, check, check_finite
from tfp_flows.data.describe import Description, describe
from tfp_flows.data.errors import Argument, DataError, missing_package
from tfp_flows.data.load import load, load_like, read_table
from tfp_flows.data.particles import PARTICLE_SETS, relative
from tfp_flows.data.sources.parts import is_pattern
from tfp_flows.data.split import Split, split_rows
from tfp_flows.data.stream import stream_rows
from tfp_flows.data.streamed import StreamedRows
from tfp_flows.data.table import Schema, Table

__all__ = [
    "Argument",
    "BUILT_IN",
    "DataError",
    "Description",
    "IntegerPolicy",
    "Molecules",
    "PARTICLE_SETS",
    "Schema",
    "Split",
    "StreamedRows",
    "Table",
    "check",
    "check_bounds",
    "check_finite",
    "conformations",
    "describe",
    "g2_molecules",
    "is_pattern",
    "load",
    "load_builtin",
    "load_like",
    "missing_package",
    "moved_end",
    "read_table",
    "relative",
    "split_rows",
    "stream_rows",
]
