"""BabyAI's own bot, which solves every level of the original benchmark."""

from typing import Any

import gymnasium as gym

from nextlat_rl.envs.behaviour import Behaviour, env_name, without_argument
from nextlat_rl.envs.behaviours.random import RandomBehaviour
from nextlat_rl.errors import UserError


class BotBehaviour(Behaviour):
    """`minigrid.utils.baby_ai_bot.BabyAIBot`; where the bot fails, the rest of the episode is random."""

    name = "bot"
    environments = ("BabyAI-",)

    def reset(self, env: gym.Env, seed: int) -> None:
        """Give the bot the level's instruction.

        Raises:
            UserError: not a BabyAI level.
        """
        from minigrid.utils.baby_ai_bot import BabyAIBot

        if not hasattr(env.unwrapped, "instrs"):
            raise UserError(f"behaviour 'bot' solves BabyAI levels, not '{env_name(env)}'; use 'expert' or 'explorer'")
        self._taken: int | None = None
        self._fallback = RandomBehaviour()
        self._fallback.reset(env, seed)
        self._bot: BabyAIBot | None
        try:
            self._bot = BabyAIBot(env)
        except Exception:  # the bot fails an assertion in levels that it does not understand
            self._bot = None

    def act(self, observation: Any) -> int:
        """The bot's action; it reads the level, not the observation."""
        if self._bot is not None:
            try:
                action, self._taken = int(self._bot.replan(self._taken)), None
                return action
            except Exception:  # as above: AssertionError, IndexError, DisappearedBoxError, ...
                self._bot = None
        return int(self._fallback.act(observation))

    def replace_last(self, action: Any) -> None:
        """Tell the bot, which plans on from there."""
        self._taken = int(action)


BEHAVIOUR = without_argument(BotBehaviour)
