"""One self-contained HTML page: every text escaped, every picture inlined."""

import base64
import struct
from collections.abc import Iterable, Mapping, Sequence
from html import escape

__all__ = ["card", "columns", "page", "picture", "section", "table"]

STYLE = """
:root { color-scheme: light dark; --paper: #f4f5f7; --card: #ffffff; --ink: #1c2530;
  --muted: #5f6b78; --line: #dde2e8; --model: #2468a8; }
img.light { display: block; }
img.dark { display: none; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #0f1318; --card: #171c23; --ink: #e8ecf0; --muted: #9ca8b4;
    --line: #2c3540; --model: #67abe8; }
  img.light { display: none; }
  img.dark { display: block; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans",
  sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.25rem 3rem; }
.title { color: var(--muted); font-size: .95rem; margin: 0; overflow-wrap: anywhere; }
h1 { font-size: clamp(1.5rem, 1rem + 2vw, 2.1rem); line-height: 1.2;
  font-weight: 650; letter-spacing: -.015em; margin: .35rem 0 .6rem;
  text-wrap: pretty; }
h2 { font-size: 1.15rem; font-weight: 650; margin: 0 0 .25rem; }
p { margin: 0 0 .6rem; }
.lead { color: var(--muted); font-size: 1.1rem; margin-bottom: 1.75rem; }
section { background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem; padding: 1.25rem 1.4rem; margin: 0 0 1.1rem; }
section > p { color: var(--muted); max-width: 48rem; }
.columns { display: grid; gap: 1.1rem; margin-bottom: 1.1rem;
  grid-template-columns: minmax(0, 1fr); }
.columns section { margin: 0; }
@media (min-width: 52rem), print { .columns { grid-template-columns:
  minmax(0, 1.75fr) minmax(0, 1fr); } }
figure { margin: .9rem 0 0; overflow-x: auto; }
img { width: 100%; min-width: 34rem; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .75rem .5rem 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; white-space: normal; }
th { color: var(--muted); font-weight: 500; font-size: .875rem; }
tr:last-child td { border-bottom: 0; }
tr.first td { font-weight: 650; color: var(--model); }
ul { margin: 0; padding-left: 1.1rem; }
li { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: var(--muted); }
dd { margin: 0; text-align: right; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
footer { color: var(--muted); font-size: .875rem; }
@media print {
  :root { --paper: #ffffff; --line: #cccccc; }
  main { padding: 0; max-width: none; }
  section { break-inside: avoid; border: 0; padding: 0; }
  img { min-width: 0; }
}
"""


def page(title: str, headline: str, lead: str, parts: Iterable[str], note: str) -> str:
    """Returns the whole page.

    Args:
        title: Small line above the headline, also the name of the window.
        headline: The main sentence.
        lead: The sentence below it.
        parts: HTML made by the other functions.
        note: The last line.
    """
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<p class="title">{escape(title)}</p>
<h1>{escape(headline)}</h1>
<p class="lead">{escape(lead)}</p>
</header>
{body}
<footer><p>{escape(note)}</p></footer>
</main>
</body>
</html>
"""


def section(heading: str, text: str, content: str) -> str:
    """Returns a titled block: text is escaped, content is HTML."""
    paragraph = f"<p>{escape(text)}</p>\n" if text else ""
    return f"<section>\n<h2>{escape(heading)}</h2>\n{paragraph}{content}\n</section>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table whose first row is emphasized."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines: list[str] = []
    for row in rows:
        mark = "" if lines else ' class="first"'
        values = "".join(f"<td>{escape(value)}</td>" for value in row)
        lines.append(f"<tr{mark}>{values}</tr>")
    body = "\n".join(lines)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def card(heading: str, content: Sequence[str] | Mapping[str, object]) -> str:
    """Returns a small block with a list of lines or of names and values."""
    if isinstance(content, Mapping):
        pairs = "\n".join(
            f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
            for name, value in content.items()
        )
        return section(heading, "", f"<dl>\n{pairs}\n</dl>")
    lines = "\n".join(f"<li>{escape(line)}</li>" for line in content)
    return section(heading, "", f"<ul>\n{lines}\n</ul>")


def columns(*blocks: str) -> str:
    """Returns blocks side by side, the first one wider, below each other if narrow."""
    return '<div class="columns">\n' + "\n".join(blocks) + "\n</div>"


def picture(light: bytes, dark: bytes, description: str) -> str:
    """Returns a PNG picture, with another one for dark screens.

    Args:
        light: PNG bytes, also for print.
        dark: PNG bytes of the same size.
        description: For those who cannot see it.
    """
    # The header chunk of a PNG file keeps width and height at bytes 16 to 24.
    width, height = struct.unpack(">II", light[16:24])
    images = "\n".join(
        f'<img class="{look}" src="{_inlined(png)}" width="{width}" '
        f'height="{height}" alt="{escape(description)}">'
        for look, png in (("light", light), ("dark", dark))
    )
    return f"<figure>\n{images}\n</figure>"


def _inlined(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
