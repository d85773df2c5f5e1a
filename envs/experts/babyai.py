"""The expert of BabyAI levels is their own bot."""

from nextlat_rl.envs.behaviours.bot import BotBehaviour

EXPERT = BotBehaviour
