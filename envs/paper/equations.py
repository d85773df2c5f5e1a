"""Countdown: are the equations that a model writes true, the first one, the second, and so on?"""

from collections.abc import Sequence

import torch

from nextlat_rl.envs.paper.countdown import EQUATION, CountdownEnv
from nextlat_rl.memory import Acting
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel


@torch.no_grad()
def equation_validity(
    world_model: WorldModel, envs: Sequence[CountdownEnv], seed: int, acting: Acting = "trunk"
) -> list[float]:
    """Share of legal equations at each place, among the answers that got there; most likely words.

    A legal equation is right arithmetic over numbers that are there; that a last one misses the target does not matter
    here. It tells where answers go wrong (after arXiv 2511.05963).

    Args:
        world_model: what answers.
        envs: a problem each, asked side by side; of one problem an episode.
        seed: row i is reset with `seed + i`.
        acting: by the trunk or by the latent dynamics alone.

    Returns:
        for the 1st, 2nd, .. equation; the list ends where no answer gets to.
    """
    observations = [env.reset(seed=seed + i)[0] for i, env in enumerate(envs)]
    refused: list[int | None] = [None] * len(envs)
    running = set(range(len(envs)))
    memory = world_model.memory(len(envs), acting)
    step = world_model.first_step(observations)
    no, rewards = torch.zeros_like(step.is_first), torch.zeros(len(envs), device=world_model.device)
    while running:
        action = world_model.policy(world_model.observe(step, memory))
        words = [int(word) for word in world_model.decode_actions(action)]
        for i in sorted(running):
            observations[i], rewards[i], over, _, info = envs[i].step(words[i])
            if over:
                running.remove(i)
                refused[i] = None if info["success"] else words[i]
        step = Step(world_model.encode_observations(observations), action, rewards, no)
    return _shares([judge(env, word) for env, word in zip(envs, refused, strict=True)])


def judge(env: CountdownEnv, refused: int | None) -> list[bool]:
    """Whether each equation of a finished answer was legal, the one that ended it included.

    Args:
        env: after its last step.
        refused: the word that ended the episode, None if the problem is solved.
    """
    whole, begun = divmod(len(env.written), EQUATION)
    if refused is None:
        return [True] * whole
    return [True] * whole + [begun == EQUATION - 1 and env.legal(refused)]


def _shares(answers: list[list[bool]]) -> list[float]:
    longest = max(map(len, answers))
    reached = [[answer[place] for answer in answers if len(answer) > place] for place in range(longest)]
    return [sum(legal) / len(legal) for legal in reached]
