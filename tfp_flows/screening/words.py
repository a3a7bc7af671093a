"""How a fault of data is put into words: what was wrong, and what to do."""

import dataclasses
from collections.abc import Callable, Sequence

__all__ = ["Argument", "DataError", "DataWarning", "Spell", "listing"]

Spell = Callable[[str, object], str | None]
"""(Name of an argument, its value or None) → what to call it, None for nothing."""


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of this package's functions, as a message speaks of it.

    Attributes:
        name: as in the signature.
        value: what it was or should be; None to leave that open.
        lead: words before it, which fall with it where nobody can give it.
        otherwise: words that then stand in the place of both.
    """

    name: str
    value: object = None
    lead: str = ""
    otherwise: str = ""

    def __str__(self) -> str:
        value = "…" if self.value is None else repr(self.value)
        return f"{self.lead}{self.name}={value}"

    def spelled(self, spell: Spell) -> str:
        """Returns lead and argument in the words of `spell`, or `otherwise`."""
        spelled = spell(self.name, self.value)
        return self.otherwise if spelled is None else f"{self.lead}{spelled}"


class DataError(ValueError):
    """Data that cannot be used as they are, in one line that names the remedy.

    Remedies are arguments of `data.load`, `data.check` and `data.split_rows`. Who
    offers these under other names, as a command line or a model does, prints
    `spelled` in place of the error.

    Args:
        *words: the message in parts, which are joined without a space.
    """

    def __init__(self, *words: str | Argument) -> None:
        super().__init__(*words)

    def __str__(self) -> str:
        return "".join(map(str, self.args))

    def spelled(self, spell: Spell) -> str:
        """Returns the message with other words for its arguments.

        Args:
            spell: (name of an argument, its value or None) → what to call it, None
                for one that cannot be given.
        """
        return "".join(
            word.spelled(spell) if isinstance(word, Argument) else word
            for word in self.args
        )


class DataWarning(UserWarning):
    """Data that a density can be fitted to, whose likelihoods mean little."""


def listing(names: Sequence[str], limit: int = 8) -> str:
    """Returns the first names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
