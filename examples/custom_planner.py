"""A planner of one's own: imagine many futures with the policy and take the first action of the best one.

python examples/custom_planner.py [--run runs/<env>/<time>] [--episodes 50] [name=value ...]
"""

from __future__ import annotations

import argparse

from torch import Tensor

from nextlat_rl import Agent, WorldModel, collect_dataset, evaluate_agent, train_model

ENV = "CartPole-v1"


class BestOfFutures:
    """Draws `width` imagined futures of `depth` steps from each belief; a planner is any object with `decide`."""

    def __init__(self, world_model: WorldModel, depth: int = 8, width: int = 32) -> None:
        self.world_model, self.depth, self.width = world_model, depth, width

    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """Stored actions `[B, *action]` at `belief: [B, D]`; `episode` and `step` (`[B]`) can key the noise."""
        batch = len(belief)
        futures = self.world_model.imagine(
            belief.repeat_interleave(self.width, 0), horizon=self.depth, rollout="sample", seed=int(step.sum())
        )
        discount = self.world_model.discount
        rest = discount**self.depth * futures.running * futures.value[:, -1]
        score = (futures.imagined_return(discount) + rest).view(batch, self.width)
        first = futures.action[:, 0].view(batch, self.width, *futures.action.shape[2:])
        return first[range(batch), score.argmax(1)]


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="", help="a trained run; by default one is trained on random CartPole data")
    parser.add_argument("--episodes", type=int, default=50, help="episodes of each evaluation")
    parser.add_argument("options", nargs="*", default=["trainer.steps=300"])
    arguments = parser.parse_args()

    if arguments.run:
        world_model = WorldModel.load(arguments.run)
    else:
        data = collect_dataset(ENV, "random", steps=10_000)
        world_model = train_model(ENV, data, arguments.options).world_model
    for name, planner in (("policy", None), ("best of 32 imagined futures", BestOfFutures(world_model))):
        row = evaluate_agent(Agent(world_model, batch_size=16, planner=planner), episodes=arguments.episodes)
        print(f"{name}: {row['return_mean']:.1f} [{row['return_ci_low']:.1f}, {row['return_ci_high']:.1f}]")


if __name__ == "__main__":
    main()
