"""What a guess can meet exactly: it depends on the codecs of what is guessed."""

from collections.abc import Mapping

from nextlat_rl.errors import UserError
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.spaces import Codec


def can_come_true(observation: Mapping[str, Codec]) -> bool:
    """Whether an observation can be guessed exactly: not if any part of it is continuous."""
    return all(codec.discrete for codec in observation.values())


def can_be_drafted(model: NextLat) -> bool:
    """Whether a drawn step can be guessed exactly, its action included."""
    return model.action.discrete and can_come_true(model.observation)


def check_drafted(name: str, model: NextLat) -> None:
    """Require that drafts can come true.

    Raises:
        UserError: they cannot.
    """
    if not can_be_drafted(model):
        raise UserError(
            f"drafter={name} guesses whole steps, and with continuous observations or actions no guess is ever exactly "
            "right: such trajectories are drawn one step at a time"
        )
