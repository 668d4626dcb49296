"""What every view and explorer shares: an argument or attribute that it does not know is refused in words."""

import inspect
from collections.abc import Mapping

import anywidget
import traitlets

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
        _self, *others = inspect.signature(cls.__init__).parameters.values()
        cls.__signature__ = inspect.Signature(others)  # the page's help would show that of `__call__`

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

    def _takes(cls) -> tuple[list[str], list[str]]:
        """Names of its own arguments, and of those that ipywidgets has for it."""
        parameters = cls.__signature__.parameters.values()
        takes = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        if any(p.kind is p.VAR_KEYWORD for p in parameters):  # traits may be given, but not what it computes
            takes += [name for name in cls._own_traits() if name not in takes]
        return takes, sorted(
            name for name, trait in _public(cls).items() if _is_of_others(trait) and name not in NOT_GIVEN
        )

    def _own_traits(cls) -> list[str]:
        """Public traits that neither ipywidgets nor anywidget has, and that are not computed."""
        return sorted(
            name
            for name, trait in _public(cls).items()
            if not _is_of_others(trait) and not trait.metadata.get("computed")
        )

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
