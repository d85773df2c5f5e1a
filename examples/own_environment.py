"""An environment of one's own: a corridor whose first observation says which way to turn at its end.

python examples/own_environment.py [--steps 20000] [name=value ...]    options of nextlat_rl.train
"""

from __future__ import annotations

import argparse
from typing import Any

import gymnasium as gym

from nextlat_rl import Agent, collect_dataset, evaluate_agent, train_model


class Corridor(gym.Env[int, int]):
    """Observations: 0 or 1 at the start (the way to turn), 2 in the corridor, 3 at its end. Actions: turn left, right.

    In the corridor any action walks on; at the end the right turn pays 1. Only an agent with a memory can know it.
    """

    observation_space = gym.spaces.Discrete(4)
    action_space = gym.spaces.Discrete(2)
    length = 6

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin at the sign."""
        super().reset(seed=seed)
        self.place, self.sign = 0, int(self.np_random.integers(2))
        return self.sign, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Walk on, or turn."""
        if self.place == self.length:
            return 3, float(action == self.sign), True, False, {}
        self.place += 1
        return (3 if self.place == self.length else 2), 0.0, False, False, {}


gym.register("Corridor-v0", entry_point=Corridor, max_episode_steps=20)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps of the data set")
    parser.add_argument("options", nargs="*", default=["model.width=64", "objective.policy_temperature=0.3"])
    arguments = parser.parse_args()

    data = collect_dataset("Corridor-v0", "random", steps=arguments.steps)
    run = train_model("Corridor-v0", data, ["trainer.steps=300", "trainer.batch_size=8", *arguments.options])
    row = evaluate_agent(Agent(run.world_model, batch_size=16, deterministic=True), episodes=100)
    print(f"random actions 0.5, trained {row['return_mean']:.2f}")


if __name__ == "__main__":
    main()
