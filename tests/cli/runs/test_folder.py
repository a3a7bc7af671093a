"""The folder of a run appears whole, and takes nobody's place."""

import pytest

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.contents import LOCK, remove, written_by_fit
from tfp_flows.cli.runs.folder import RunDir
from tfp_flows.cli.runs.record import RunRecord
from tfp_flows.data import Schema

RECORD = RunRecord("0", {}, Schema(columns=("a",)), "")


@pytest.fixture
def place(tmp_path):
    return RunDir(tmp_path / "run")


def begin(place, **again):
    return place.opened(RECORD, **{"resume": False, "overwrite": False, **again})


def names(folder):
    return {path.name for path in folder.iterdir()}


def write_old_run(place):
    place.final.mkdir()
    RECORD.write(place.final)
    (place.final / "history.csv").write_text("old")


def test_old_run_goes_only_when_the_new_one_is_complete(place, tmp_path):
    write_old_run(place)
    with begin(place, overwrite=True) as partial:
        (partial / "metrics.json").write_text("new")
        assert (place.final / "history.csv").read_text() == "old"
        place.finish(overwrite=True)
    assert names(place.final) == {"run.json", "metrics.json"}
    assert names(tmp_path) == {"run"}


def test_no_folder_of_another_name_goes(place, tmp_path):
    thesis = tmp_path / "run.old" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    write_old_run(place)
    with begin(place, overwrite=True):
        place.finish(overwrite=True)
    assert thesis.read_text() == "years of work"
    assert names(tmp_path) == {"run", "run.old"}


def test_an_old_run_comes_back_where_the_new_one_cannot_take_its_place(place, tmp_path):
    write_old_run(place)
    with pytest.raises(FileNotFoundError):
        place.finish(overwrite=True)  # There is no new one.
    assert names(tmp_path) == {"run"}
    assert (place.final / "history.csv").read_text() == "old"


def test_what_came_during_the_run_is_not_replaced(place):
    with begin(place) as partial:
        place.final.mkdir()
        (place.final / "thesis.tex").write_text("years of work")
        with pytest.raises(RunError, match="the folder exists"):
            place.finish(overwrite=False)
        with pytest.raises(RunError, match="only the folder of a run is replaced"):
            place.finish(overwrite=True)
    assert names(place.final) == {"thesis.tex"}
    assert (partial / "run.json").exists()


def test_a_run_killed_at_its_very_beginning_is_in_nobodys_way(place):
    place.partial.mkdir()
    (place.partial / LOCK).write_text("")
    (place.partial / ".run.tfp-flows-partial.json").write_text("{")
    place.check("moons", resume=False, overwrite=False)
    with begin(place, resume=True) as partial:
        assert names(partial) == {"run.json", LOCK}


def test_a_folder_that_came_before_the_lock_stays_and_so_does_the_run_in_it(place):
    write_old_run(place)
    with pytest.raises(RunError, match="the folder exists"), begin(place):
        pass
    assert not place.partial.exists()
    assert (place.final / "history.csv").read_text() == "old"


def test_only_what_a_run_wrote_is_removed(tmp_path):
    for name in ("run.json", "epoch-0003.keras", "notes.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(OSError, match="not empty"):
        remove(tmp_path)
    assert names(tmp_path) == {"notes.txt"}


def test_every_file_of_a_run_is_known_as_such(fitted):
    folder, _ = fitted
    assert [name for name in names(folder) if not written_by_fit(name)] == []
