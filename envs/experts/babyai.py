"""The expert of BabyAI levels is their own bot."""

from nextlat_rl.envs.behaviours.bot import BotBehaviour


class BabyAIExpert(BotBehaviour):
    """See `BotBehaviour`."""

    environments = ("BabyAI-",)


EXPERT = BabyAIExpert
