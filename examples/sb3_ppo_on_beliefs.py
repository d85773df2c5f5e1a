"""Stable-Baselines3's PPO on the beliefs of a world model, begun as the model's own policy.

python examples/sb3_ppo_on_beliefs.py [--run runs/<env>/<time>] [--steps 20000] [name=value ...]
"""

from __future__ import annotations

import argparse

from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

from nextlat_rl import BeliefPolicy, WorldModel, collect_dataset, make_belief_env, train_model

ENV = "CartPole-v1"


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="", help="a trained run; by default a small one is trained")
    parser.add_argument("--data", type=int, default=10_000, help="environment steps of the world model's data set")
    parser.add_argument("--steps", type=int, default=20_000, help="real steps of PPO")
    parser.add_argument("options", nargs="*", default=["trainer.steps=200"])
    arguments = parser.parse_args()

    if arguments.run:
        world_model = WorldModel.load(arguments.run)
    else:
        data = collect_dataset(ENV, "random", steps=arguments.data)
        world_model = train_model(ENV, data, arguments.options).world_model

    venv = make_belief_env(world_model, n_envs=8, seed=0)
    agent = PPO(BeliefPolicy, venv, n_steps=128, batch_size=256, policy_kwargs={"world_model": world_model}, seed=0)
    test = make_belief_env(world_model, n_envs=8, seed=10_000_000)
    for name, steps in (("the model's policy", 0), ("after PPO", arguments.steps)):
        if steps:
            agent.learn(steps)
        mean, deviation = evaluate_policy(agent, test, n_eval_episodes=16)
        print(f"{name}: return {mean:.3f} +- {deviation:.3f}")


if __name__ == "__main__":
    main()
