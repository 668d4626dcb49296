"""The page of a view: anywidget loads one script and one stylesheet, so modules are linked to one here."""

import re
from pathlib import Path

PAGE = Path(__file__).parent / "page"
_TYPES = re.compile(r"^ */\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)  # JSDoc: the page does without
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const|class) (\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_OTHER = re.compile(r"^\s*(?:import|export)\b.*|^(?!\s*//).*\bimport\s*[(.].*", re.MULTILINE)


def linked(entry: str, folder: Path = PAGE) -> str:
    """One script of a module and all that it imports, directly or not, and of nothing else.

    Each imported module becomes a scope of its own that returns its exports, after those that it imports;
    the entry comes last, with its `export default`. What is not in `folder` is looked for among the page's
    own modules. Understood are `import { a, b as c } from "./x.js";` and
    `export` before a function, a const or a class.

    Raises: ValueError, with the module's name, for another import or export, an import in a circle, of a
    file that is not there or of a name that it does not export.
    """
    exports: dict[str, list[str]] = {}  # of each module that is read
    scopes: list[str] = []

    def read(name: str, way: tuple[str, ...]) -> str:
        """The module, its imports made constants, after those it imports; `way` led to it."""
        way = (*way, f"{name}.js")
        if way.count(way[-1]) > 1:
            raise ValueError(f"modules import in a circle: {' → '.join(way)}")
        file = next((place / way[-1] for place in (folder, PAGE) if (place / way[-1]).is_file()), None)
        if file is None:
            raise ValueError(f"there is no module {way[-1]} in {folder.name}/: {' → '.join(way)}")

        def constants(found: re.Match) -> str:
            names, source = [part.strip() for part in found[1].split(",") if part.strip()], found[2]
            if source not in exports:
                body = read(source, way)
                given = ", ".join(exports[source])
                scopes.append(f"const ${source} = (() => {{\n{body}return {{ {given} }};\n}})();\n")
            if missing := {part.split(" as ")[0] for part in names} - {*exports[source]}:
                raise ValueError(
                    f"{way[-1]} imports {', '.join(sorted(missing))}, not exported by {source}.js"
                )
            return f"const {{ {', '.join(part.replace(' as ', ': ') for part in names)} }} = ${source};"

        text = _IMPORT.sub(constants, _TYPES.sub("", file.read_text("utf-8")))
        exports[name] = _EXPORT.findall(text)
        text = _EXPORT.sub("", text)
        if other := _OTHER.search(_DEFAULT.sub("", text, count=1) if len(way) == 1 else text):
            raise ValueError(f"{way[-1]} has an import or export that is not linked: {other[0].strip()}")
        return text

    last = read(entry.removesuffix(".js"), ())
    return "\n".join([*scopes, last])


def styles(*names: str) -> str:
    """These stylesheets, after the one of an explorer's controls and before the one of slides."""
    return "".join((PAGE / name).read_text("utf-8") for name in ("explorer.css", *names, "deck.css"))
