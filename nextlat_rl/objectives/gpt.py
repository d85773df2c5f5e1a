"""GPT: the next-token losses alone, on a causal transformer."""

from nextlat_rl.objectives.base import Objective


class GPT(Objective):
    """Policy, value, reward, termination and observation heads; the latent dynamics stays untrained."""

    name = "gpt"


OBJECTIVE = GPT
