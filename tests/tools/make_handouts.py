"""Handouts: every lesson as a page and as slides that open without a network, a kernel or Jupyter.

python tests/tools/make_handouts.py handouts          # writes NAME.html and NAME.slides.html for each lesson
python tests/tools/make_handouts.py --still handouts  # in seconds, with the stored pictures alone

Each lesson is run first, and each control of its explorers is moved through all of its steps: on the page
maps answer to pointer and keys, and controls move them, from that record (see recorded.py). What only a
kernel can do is not there. Where nothing runs, on paper or without JavaScript, the stored pictures stand.

nbconvert as it comes asks other hosts for MathJax, reveal.js and more. Here formulas become MathML, which
browsers draw by themselves, reveal.js is copied from the package sphinx-revealjs, and the rest is left out.
The folder can go on a stick: what is in it refers to nothing outside of it.
"""

import argparse
import base64
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import ClassVar

import latex2mathml.converter
import nbformat
import sphinx_revealjs
from executed import executed
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter, SlidesExporter
from nbconvert.filters import clean_html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from attention_core.live.linked import PAGE as SCRIPTS
from attention_core.live.linked import linked

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
REVEAL = Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs"
THEME = "dist/theme/white.css"  # the others ask a host for their letters
NEEDED = [
    "LICENSE",
    "dist/reveal.css",
    "dist/reveal.js",
    THEME,
    "dist/theme/fonts/source-sans-pro",
]
# what lives on a slide has tables and paragraphs of its own
OURS = {one: f"{one}:where(:not(.attention-live *))" for one in (".reveal table", ".reveal p")}
LINES = {"{aligned}": "{align*}", "{gathered}": "{matrix}"}  # latex2mathml draws the first ones in one line
STYLE = """
.jp-RenderedText pre { word-break: normal; overflow-wrap: anywhere; }
math mtd[columnalign="right"] { text-align: right; padding-right: 0; } /* MathML Core has no columnalign */
math mtd[columnalign="left"] { text-align: left; padding-left: 0; }
"""
FOLDED = """
{%- block input_group -%}
{%- if not cell.metadata.get("jupyter", {}).get("source_hidden") -%}{{ super() }}{%- endif -%}
{%- endblock -%}
"""
PICTURE = """
{%- block data_png -%}
<div class="jp-RenderedImage jp-OutputArea-output"
{%- if output.metadata.get("model") %} data-model="{{ output.metadata.model }}"{% endif %}>
<img src="data:image/png;base64,{{ output.data['image/png'] }}"
 alt="{{ output.data['text/plain'] | escape_html }}"
{%- set width = output | get_metadata('width', 'image/png') -%}{% if width %} width="{{ width }}"{% endif %}>
</div>
{%- endblock -%}
"""
PAGE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}<style>STYLE</style>{%- endblock -%}
""".replace("STYLE", STYLE)
SLIDES = """
{%- extends 'reveal/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_css -%}
<style>STYLE
.reveal .slides section { --fit: 1; text-align: left; }
/* an unfolded solution scrolls */
.reveal .slides section section { max-height: 720px; overflow: hidden auto; }
.reveal .slides section * {
  --jp-content-font-size1: calc(17px * var(--fit)); --jp-ui-font-size1: calc(16px * var(--fit));
  --jp-code-font-size: calc(14.5px * var(--fit)); --jp-cell-prompt-width: 0px;
}
.reveal .slides :is(h1, h2, h3, h4) { text-transform: none; }
.reveal :is(.jp-InputPrompt, .jp-OutputPrompt) { display: none; }
.reveal .jp-Cell { padding: 2px 0; }
.reveal .jp-OutputArea img {
  max-height: calc(350px * var(--fit)) !important; width: auto !important; margin: 0;
}
.reveal .attention-live { zoom: var(--live, 1); }
.reveal .controls { font-size: 7px; }
.reveal .slide-number { right: auto; left: 8px; } /* not under the arrows */
</style>
{%- endblock -%}
{%- block footer_js -%}
<script src="reveal.js/dist/reveal.js"></script>
<script>
const fitted = new WeakSet();
// letters and pictures as large as the slide allows, above the arrows
function fit(slide = Reveal.getCurrentSlide()) {
  fitted.add(slide);
  for (let tenths = 16; tenths >= 10; tenths--) {
    slide.style.setProperty("--fit", tenths / 10);
    const code = [...slide.querySelectorAll("pre")];
    if (slide.scrollHeight <= 660 && code.every((pre) => pre.scrollWidth <= pre.clientWidth)) break;
  }
}
async function fitLive(slide) { // what lives is drawn anew when it is given another size
  for (let percent = 100; percent >= 40; percent -= 5) {
    slide.style.setProperty("--live", percent / 100);
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
    fit(slide);
    if (slide.scrollHeight <= 700) return;
  }
}
Reveal.on("slidechanged", ({ currentSlide }) => { if (!fitted.has(currentSlide)) fit(currentSlide); });
document.addEventListener("toggle", () => fit(), true);
addEventListener("load", () => {
  window.ready = Reveal.initialize({
    hash: true, width: 1280, height: 720, margin: 0.02, center: false, slideNumber: "c/t",
  }).then(() => fit());
});
addEventListener("live", async () => {
  if (document.readyState !== "complete") await new Promise((loaded) => addEventListener("load", loaded));
  await window.ready;
  Reveal.configure({ viewDistance: 999 }); // all are laid out till then: to turn them would take long
  const lively = Reveal.getSlides().filter((slide) => slide.querySelector(".attention-live"));
  await Promise.all(lively.map(fitLive));
  Reveal.configure({ viewDistance: 3 });
  document.documentElement.dataset.live = "fitted";
});
</script>
{%- endblock -%}
""".replace("STYLE", STYLE)


LIVE = """
<style>{style}</style>
<script type="text/plain" id="attention-record">{record}</script>
<script type="module">
{script}
await live(document.getElementById("attention-record").textContent, (url) => import(url));
document.documentElement.dataset.live = "all";
dispatchEvent(new Event("live"));
</script>
</body>"""


class Formulas(IPythonRenderer):
    """Markdown whose formulas are MathML."""

    def inline_math(self, body: str) -> str:
        return latex2mathml.converter.convert(body)

    def block_math(self, body: str) -> str:
        for unknown, known in LINES.items():
            body = body.replace(unknown, known)
        return latex2mathml.converter.convert(body, display="block")


class Offline:
    """An exporter of nbconvert's that asks nobody."""

    filters: ClassVar = {"clean_html": cache(clean_html)}  # page and slides show the same code

    @pass_context
    def markdown2html(self, context, source: str) -> str:
        renderer = Formulas(
            escape=False,
            attachments=context["cell"].get("attachments", {}),
            anchor_link_text=self.anchor_link_text,
        )
        return MarkdownWithMath(renderer=renderer).render(source)


class Page(Offline, HTMLExporter):
    raw_template = PAGE + FOLDED + PICTURE


class Slides(Offline, SlidesExporter):
    raw_template = SLIDES + FOLDED + PICTURE
    reveal_url_prefix = "reveal.js"
    reveal_theme = "white"


def alive(page: str, record: bytes) -> str:
    """The page with what makes its widgets live."""
    script, style = linked("handout.js"), (SCRIPTS / "handout.css").read_text("utf-8")
    if "</" in script:
        raise ValueError("a script in a page cannot hold </")
    # laid out as on JupyterLab's slides, by deck.css
    page = page.replace('<div class="reveal">', '<div class="reveal jp-Deck">')
    before, _, after = page.rpartition("</body>")
    record = base64.b64encode(record).decode()
    return before + LIVE.format(style=style, record=record, script=script) + after


def handouts(
    notebooks: Iterable[Path], books: Iterable[tuple[nbformat.NotebookNode, bytes | None]], folder: Path
) -> list[Path]:
    """Write both handouts of each notebook, with its record if it has one, and what the slides need.

    Returns the pages.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in NEEDED:
        to = folder / "reveal.js" / part
        to.parent.mkdir(parents=True, exist_ok=True)
        if (REVEAL / part).is_dir():
            shutil.copytree(REVEAL / part, to, dirs_exist_ok=True)
        else:
            shutil.copy(REVEAL / part, to)
    theme = folder / "reveal.js" / THEME
    for whole, part in OURS.items():
        theme.write_text(theme.read_text("utf-8").replace(whole, part), "utf-8")
    written = []
    exporters = {".html": Page(), ".slides.html": Slides()}
    for path, (notebook, record) in zip(notebooks, books, strict=True):
        for ending, exporter in exporters.items():
            body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
            body = body.replace('.ipynb"', f'{ending}"')  # lessons refer to each other
            to = folder / (path.stem + ending)
            to.write_text(body if record is None else alive(body, record), "utf-8")
            written.append(to)
    return written


def still(path: Path) -> tuple[nbformat.NotebookNode, None]:
    """The notebook as it is stored, with no record."""
    return nbformat.read(path, as_version=4), None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--still", action="store_true", help="run nothing: pictures in place of widgets")
    some.add_argument("--live", nargs="+", metavar="NN", help="run these lessons only, by their numbers")
    given = parser.parse_args()
    # what is run from a notebook has nobody's choices (practice/kept.py), and a core for each kernel
    os.environ.pop("JPY_SESSION_NAME", None)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    notebooks = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    numbers = {path.name[:2] for path in notebooks}
    if unknown := set(given.live or ()) - numbers:
        parser.error(f"there is no lesson {', '.join(sorted(unknown))} among {', '.join(sorted(numbers))}")
    run = set() if given.still else set(given.live or numbers)
    with ProcessPoolExecutor() as processes:
        made = [processes.submit(executed if p.name[:2] in run else still, p) for p in notebooks]
        for page in handouts(notebooks, (one.result() for one in made), given.folder):
            print(page)


if __name__ == "__main__":
    main()
