"""The report is complete, self-contained, escaped and parseable."""

import base64
import configparser
import pathlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import tfp_flows
from tfp_flows.diagnostics import ReportData, column_ranks, compare_scores, write_report

VOID = {"meta", "img"}


class Page(HTMLParser):
    """Collects tags with their attributes and checks that they nest."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def report_data(columns, image_shape=None, **options):
    rng = np.random.default_rng(2)
    size = len(columns)
    held_out, samples = rng.normal(size=(80, size)), rng.normal(size=(90, size))
    scores = -0.5 * (held_out**2).sum(axis=1)
    results = compare_scores(
        {"flow": scores, "Gaussian": scores - 1 - 0.1 * held_out[:, 0]}
    )
    return ReportData(
        title="A flow of <data> & more",
        description=["80 rows", "a <script>alert(1)</script> line"],
        results=results,
        history={"loss": [3.0, 2.0, 1.5], "val_loss": [3.1, 2.2, 2.3]},
        columns=columns,
        held_out=held_out,
        held_out_scores=scores,
        samples=samples,
        sample_scores=-0.5 * (samples**2).sum(axis=1),
        best_epoch=2,
        image_shape=image_shape,
        **options,
    )


def parsed(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    rng = np.random.default_rng(3)
    data = report_data(
        ["a<b>&\"c'", "$x^2", "plain"],
        ranks=column_ranks(rng.normal(size=(80, 3)), rng.normal(size=(90, 3))),
        shared_samples=90,
        row_numbers=np.arange(80) + 1000,
        context=rng.normal(size=(80, 1)),
        context_columns=["<when>"],
        settings={"flow <b>": "coupling & more", "seed": 0},
        elapsed={"training": 3725.0, "report": 2.5},
    )
    return write_report(tmp_path_factory.mktemp("report") / "new", data)


def test_all_files_are_written(written):
    names = {path.name for path in written}
    assert names == {
        "report.html",
        "learning_curve.png",
        "samples.png",
        "scores.png",
        "ranks.png",
        "worst_rows.png",
    }
    for path in written:
        start = path.read_bytes()[:9]
        assert start == b"<!doctype" or start.startswith(b"\x89PNG")


def test_page_refers_to_nothing_outside(written):
    page = parsed(written[0])
    text = written[0].read_text(encoding="utf-8")
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//|url\(|@import|<link|<script", text)
    references = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset")
    ]
    assert len(references) == 5
    assert all(value.startswith("data:image/png;base64,") for value in references)


def test_pictures_have_descriptions_and_sizes(written):
    images = [attributes for tag, attributes in parsed(written[0]).tags if tag == "img"]
    assert all(len(image["alt"]) > 20 for image in images)
    assert all(int(image["width"]) > int(image["height"]) > 100 for image in images[:2])


def test_names_are_escaped(written):
    page = parsed(written[0])
    assert not {"script", "b", "data", "when"} & {tag for tag, _ in page.tags}
    assert "<script>alert(1)</script>" in page.text
    assert "flow <b>" in page.text


def test_the_main_number_comes_first(written):
    text = parsed(written[0]).text
    found = re.search(
        r"The flow explains held-out rows [\d.]+ ± [\d.]+ nats better", text
    )
    assert found
    assert found.start() < text.index("Result")
    assert "1 h 2 min" in text


def test_images_without_ranks(tmp_path):
    data = report_data([f"p{i}" for i in range(12)], image_shape=(2, 2, 3))
    names = {path.name for path in write_report(tmp_path, data)}
    assert "ranks.png" not in names
    assert {"samples.png", "worst_rows.png"} <= names


def test_plain_tuples_do_as_results(tmp_path):
    data = report_data(["only"])
    object.__setattr__(data, "results", [("flow", -1.0, 0.1, None)])
    html = write_report(tmp_path, data)[0].read_text(encoding="utf-8")
    assert "−1.000 ± 0.100" in html


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("held_out_scores", np.zeros(3)),
        ("samples", np.zeros((90, 5))),
        ("ranks", np.zeros((80, 7))),
        ("row_numbers", np.zeros(2)),
        ("context", np.zeros((80, 2))),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name, value):
    data = report_data(["a", "b"])
    fields = {field: getattr(data, field) for field in data.__dataclass_fields__}
    with pytest.raises(ValueError, match=f"Expected {name} of shape"):
        ReportData(**{**fields, name: value})


def test_levels_of_the_validation_rows_stand_beside_the_curve_not_results():
    from tfp_flows.diagnostics.report.chapters import CHAPTERS

    levels = {"linear flows": 2.25}
    finding, axis = CHAPTERS[0].show(report_data(["a", "b"], levels=levels))
    written = [text.get_text() for text in axis.texts]
    assert "linear flows 2.25" in written
    assert not any("Gaussian" in text for text in written)
    assert "on the validation rows" in finding


def test_pictures_of_the_page_are_those_of_the_files(written):
    (page, *pictures) = written
    images = [attributes for tag, attributes in parsed(page).tags if tag == "img"]
    for image, picture in zip(images, pictures, strict=True):
        inlined = image["src"].removeprefix("data:image/png;base64,")
        assert base64.b64decode(inlined) == picture.read_bytes()


def test_a_dollar_in_a_text_is_no_placeholder(tmp_path):
    data = report_data(["$title"])
    object.__setattr__(data, "title", "costs $5 and $headline")
    text = parsed(write_report(tmp_path, data)[0]).text
    assert "costs $5 and $headline" in text


def test_the_template_is_a_file_of_the_package():
    metadata = pathlib.Path(__file__).parents[3] / "setup.cfg"
    config = configparser.ConfigParser()
    config.read(metadata, encoding="utf-8")
    named = config["options.package_data"]["tfp_flows"].split()
    root = pathlib.Path(tfp_flows.__file__).parent
    pages = [path.relative_to(root).as_posix() for path in root.rglob("*.html")]
    assert pages
    assert set(pages) <= set(named)


def test_particles_of_known_energy_have_weights(tmp_path):
    rng = np.random.default_rng(3)
    columns = [f"{axis}{i}" for i in range(4) for axis in "xy"]
    energies = rng.normal(size=80), 0.5 * rng.normal(size=90) ** 2
    options = {"particle_shape": (4, 2), "energies": energies}
    data = report_data(columns, **options)
    np.testing.assert_allclose(
        data.weighted.log_weights, -energies[1] - data.sample_scores
    )
    page = parsed(write_report(tmp_path / "known", data)[0])
    assert str(data.weighted) in page.text
    other = report_data(columns, particle_shape=(4, 2))
    page = parsed(write_report(tmp_path / "unknown", other)[0])
    assert "Weights" not in page.text
