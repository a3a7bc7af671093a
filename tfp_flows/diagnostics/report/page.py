"""One self-contained HTML page: every text escaped, every picture inlined.

`report.html`, beside this file, is the page around what is made here, with its style.
"""

import base64
import struct
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template

__all__ = ["card", "columns", "page", "picture", "section", "table"]


def page(title: str, headline: str, lead: str, parts: Iterable[str]) -> str:
    """Returns the whole page.

    Args:
        title: small line above the headline, also the name of the window.
        headline: the main sentence.
        lead: the sentence below it.
        parts: HTML made by the other functions.
    """
    template = resources.files("tfp_flows.diagnostics.report") / "report.html"
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        headline=escape(headline),
        lead=escape(lead),
        body="\n".join(parts),
    )


def section(heading: str, text: str, content: str) -> str:
    """Returns a titled block: text is escaped, content is HTML."""
    paragraph = f"<p>{escape(text)}</p>\n" if text else ""
    return f"<section>\n<h2>{escape(heading)}</h2>\n{paragraph}{content}\n</section>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table whose first row is emphasized."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def card(heading: str, content: Sequence[str] | Mapping[str, object]) -> str:
    """Returns a small block with a list of lines or of names and values."""
    if isinstance(content, Mapping):
        tag, lines = (
            "dl",
            [
                f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
                for name, value in content.items()
            ],
        )
    else:
        tag, lines = "ul", [f"<li>{escape(line)}</li>" for line in content]
    return section(heading, "", "\n".join([f"<{tag}>", *lines, f"</{tag}>"]))


def columns(*blocks: str) -> str:
    """Returns blocks side by side, the first one wider, below each other if narrow."""
    return '<div class="columns">\n' + "\n".join(blocks) + "\n</div>"


def picture(png: bytes, description: str) -> str:
    """Returns a PNG picture, described for those who cannot see it."""
    # The header chunk of a PNG file keeps width and height at bytes 16 to 24.
    width, height = struct.unpack(">II", png[16:24])
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" '
        f'height="{height}" alt="{escape(description)}"></figure>'
    )
