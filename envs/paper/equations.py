"""Share of legal equations that a model writes in Countdown, by their place in the answer."""

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
    """Share of legal equations at each place, among the answers that are that long, with most likely words.

    An equation is legal if its arithmetic is right and its numbers are left, whether or not the last result is the
    target (after arXiv 2511.05963).

    Args:
        world_model: the trained model.
        envs: environments of one problem an episode, answered side by side.
        seed: row i is reset with `seed + i`.
        acting: by the trunk or by the latent dynamics alone.

    Returns:
        The shares of the 1st, 2nd, ... equation.
    """
    observations = [env.reset(seed=seed + i)[0] for i, env in enumerate(envs)]
    refused: list[int | None] = [None] * len(envs)
    running = set(range(len(envs)))
    memory = world_model.memory(len(envs), acting)
    step = world_model.first_step(observations)
    no, rewards = (
        torch.zeros_like(step.is_first),
        torch.zeros(len(envs), dtype=torch.float32, device=world_model.device),
    )
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
    """Whether each equation of a finished answer was legal, including the one that ended it.

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
