"""What every view and explorer shares: unknown names refused in words, the projector, the stored picture."""

import base64
import inspect
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anywidget
import traitlets

from attention_core.live import still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OTHERS = ("ipywidgets", "anywidget", "traitlets")
NOT_GIVEN = {"children", "comm", "keys", "log"}  # ipywidgets' own traits that a view makes for itself


def _public(cls) -> dict[str, traitlets.TraitType]:
    return {name: trait for name, trait in cls.class_traits().items() if not name.startswith("_")}


def _is_of_others(trait: traitlets.TraitType) -> bool:
    return trait.this_class.__module__.split(".")[0] in OTHERS


class _Refusing(type(traitlets.HasTraits)):
    """Looks at a view's arguments before it is made, and marks it once it is."""

    def __init__(cls, *of_class, **options):
        super().__init__(*of_class, **options)
        # the page's help would show that of `__call__`
        cls.__signature__ = inspect.Signature(cls._parameters())

    def __call__(cls, *arguments, **given):
        later = {}
        of_a_learner = cls.__init__.__module__.split(".")[0] not in ("attention_core", *OTHERS)
        if not of_a_learner and not cls._takes_anything:
            takes, of_ipywidgets = cls._takes()
            private = [name for name in cls.class_trait_names() if name.startswith("_")]  # from its whole
            unknown = [name for name in given if name not in (*takes, *of_ipywidgets, *private)]
            if unknown:
                raise TypeError(
                    f"{cls.__name__} has no argument {', '.join(unknown)}; "
                    f"it takes {', '.join(takes)}, and of ipywidgets {', '.join(of_ipywidgets)}"
                )
            later = {name: given.pop(name) for name in of_ipywidgets if name in given}
        made = super().__call__(*arguments, **given)
        if isinstance(made, cls):
            made._complete = True
        for name, value in later.items():
            setattr(made, name, value)
        return made

    def _parameters(cls) -> list[inspect.Parameter]:
        """Of `__init__`; where that takes `**traits`, the traits themselves, but none that it computes."""
        _self, *own = inspect.signature(cls.__init__).parameters.values()
        if cls._takes_anything or all(p.kind is not p.VAR_KEYWORD for p in own):
            return own
        own = [p for p in own if p.kind is not p.VAR_KEYWORD]
        names = [p.name for p in own]
        return own + [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=trait.default_value)
            for name, trait in cls._own_traits().items()
            if name not in names
        ]

    def _takes(cls) -> tuple[list[str], list[str]]:
        """Names of its own arguments, and of those that ipywidgets has for it."""
        parameters = cls.__signature__.parameters.values()
        takes = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        return takes, sorted(
            name for name, trait in _public(cls).items() if _is_of_others(trait) and name not in NOT_GIVEN
        )

    def _own_traits(cls) -> dict[str, traitlets.TraitType]:
        """Public traits that neither ipywidgets nor anywidget has, and that are not computed; the nearest
        class's first, in the order in which they stand there."""
        named = [name for kind in cls.__mro__ for name in vars(kind)]
        return {
            name: trait
            for name, trait in sorted(_public(cls).items(), key=lambda pair: named.index(pair[0]))
            if not _is_of_others(trait) and not trait.metadata.get("computed")
        }

    def _settable(cls) -> list[str]:
        named = {name: x for kind in reversed(cls.__mro__) for name, x in vars(kind).items()}
        properties = [name for name, x in named.items() if isinstance(x, property) and x.fset]
        own = [name for name in properties if not hasattr(anywidget.AnyWidget, name)]
        return sorted({*cls._own_traits(), *own})


class Known(traitlets.HasTraits, metaclass=_Refusing):
    """Raises TypeError for an unknown argument, AttributeError for an attribute that there is not.

    A subclass that computes a trait tags it `computed=True`: it is read, not given. `_elsewhere` says of
    names that one might set how to change what they mean.
    """

    _complete = False  # while it is being made it may get attributes of its own
    _takes_anything = False
    _elsewhere: Mapping[str, str] = {}

    def __setattr__(self, name: str, value) -> None:
        if (
            self._complete
            and not name.startswith("_")
            and (name in self._elsewhere or not self._can_set(name))
        ):
            kind = type(self)
            how = f": {self._elsewhere[name]}" if name in self._elsewhere else ""
            there_are = f"there are {', '.join(kind._settable())}" if kind._settable() else "there is nothing"
            raise AttributeError(f"{kind.__name__} has no attribute {name} to set{how}; {there_are}")
        super().__setattr__(name, value)

    def _can_set(self, name: str) -> bool:
        of_class = getattr(type(self), name, None)
        if isinstance(of_class, property):
            return of_class.fset is not None
        return hasattr(type(self), name) or name in self.__dict__


_all: weakref.WeakSet = weakref.WeakSet()
_on = False


class ForProjector(Known):
    """A widget with a `projector` trait: True shows it 1.6 times as large, in the room that it has."""

    projector = traitlets.Bool(False).tag(sync=True)

    def __init__(self, *arguments, **traits):
        traits.setdefault("projector", _on)
        super().__init__(*arguments, **traits)
        _all.add(self)


def projector(on: bool = True) -> None:
    """Show every heatmap and explorer, those on the page and those to come, for a projector (or not).

    One of them alone: its own `projector`, or the box under its map.
    """
    global _on
    _on = bool(on)
    for widget in list(_all):
        widget.projector = _on


class Pictured:
    """A widget with a `figure()`: where no kernel runs, that picture stands in its place."""

    def figure(self) -> "Figure":
        """What the page shows, as matplotlib draws it, unknown to pyplot."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **_) -> tuple[dict, dict]:
        """The live view for a page with a kernel, and text and a picture for one without."""
        image, size = still.png(self.figure())
        data = {
            "text/plain": repr(self),
            "image/png": base64.b64encode(image).decode(),
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.model_id,
            },
        }
        return data, {"image/png": size}


class View(Pictured, Known, anywidget.AnyWidget):
    """What an explorer shows: `show(content)` draws it, `show(None)` takes it away.

    A subclass names its page script, `_esm = linked("….js")`, draws its still twin in `figure()`, and says
    what it shows in one line that is the same on every machine, `__repr__`.
    """

    # JupyterLab may send two messages of one hand into two threads; an explorer puts its own here
    _one_at_a_time = threading.RLock()

    def show(self, content) -> None:
        """Draw this content in place of all that was drawn before."""
        raise NotImplementedError
