"""Handouts: every lesson as a page and as slides that open without a network, a kernel or Jupyter.

python tests/tools/make_handouts.py handouts          # writes NAME.html and NAME.slides.html for each lesson

nbconvert as it comes asks other hosts for MathJax, reveal.js and more. Here formulas become MathML, which
browsers draw by themselves, reveal.js is copied from the package sphinx-revealjs, and the rest is left out.
The folder can go on a stick: what is in it refers to nothing outside of it.
"""

import argparse
import shutil
from pathlib import Path

import latex2mathml.converter
import nbformat
import sphinx_revealjs
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter, SlidesExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
REVEAL = Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs"
NEEDED = [
    "LICENSE",
    "dist/reveal.css",
    "dist/reveal.js",
    "dist/theme/white.css",  # the others ask a host for their letters
    "dist/theme/fonts/source-sans-pro",
]
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
<div class="jp-RenderedImage jp-OutputArea-output">
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
.reveal .controls { font-size: 7px; }
.reveal .slide-number { right: auto; left: 8px; } /* not under the arrows */
</style>
{%- endblock -%}
{%- block footer_js -%}
<script src="reveal.js/dist/reveal.js"></script>
<script>
function fit() { // letters and pictures as large as the slide allows, above the arrows
  const slide = Reveal.getCurrentSlide();
  for (let tenths = 16; tenths >= 10; tenths--) {
    slide.style.setProperty("--fit", tenths / 10);
    const code = [...slide.querySelectorAll("pre")];
    if (slide.scrollHeight <= 660 && code.every((pre) => pre.scrollWidth <= pre.clientWidth)) break;
  }
}
Reveal.on("slidechanged", fit);
document.addEventListener("toggle", fit, true);
addEventListener("load", () => Reveal.initialize({
  hash: true, width: 1280, height: 720, margin: 0.02, center: false, slideNumber: "c/t",
}).then(fit));
</script>
{%- endblock -%}
""".replace("STYLE", STYLE)


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


def handouts(notebooks: list[Path], folder: Path) -> list[Path]:
    """Write both handouts of each notebook, and what the slides need; returns the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in NEEDED:
        to = folder / "reveal.js" / part
        to.parent.mkdir(parents=True, exist_ok=True)
        if (REVEAL / part).is_dir():
            shutil.copytree(REVEAL / part, to, dirs_exist_ok=True)
        else:
            shutil.copy(REVEAL / part, to)
    written = []
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        for ending, exporter in ((".html", Page()), (".slides.html", Slides())):
            body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
            to = folder / (path.stem + ending)
            to.write_text(body.replace('.ipynb"', f'{ending}"'), "utf-8")  # lessons refer to each other
            written.append(to)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for page in handouts(sorted(NOTEBOOKS.glob("[0-9]*.ipynb")), folder):
        print(page)


if __name__ == "__main__":
    main()
