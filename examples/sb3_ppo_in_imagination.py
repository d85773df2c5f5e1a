"""Stable-Baselines3's PPO trained in imagination alone: no real step of the environment but those of the data set.

python examples/sb3_ppo_in_imagination.py [--run runs/<env>/<time>] [--steps 100000] [name=value ...]
"""

from __future__ import annotations

import argparse

from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecMonitor

from nextlat_rl import ImaginedVecEnv, WorldModel, collect_dataset, make_belief_env, start_beliefs, train_model

ENV = "CartPole-v1"


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="", help="a run trained on CartPole; by default one is trained")
    parser.add_argument("--data", type=int, default=20_000, help="environment steps of the data set")
    parser.add_argument("--steps", type=int, default=100_000, help="imagined steps of PPO")
    parser.add_argument("options", nargs="*", default=["trainer.steps=500"])
    arguments = parser.parse_args()

    data = collect_dataset(ENV, "random", steps=arguments.data)
    if arguments.run:
        world_model = WorldModel.load(arguments.run)
    else:
        world_model = train_model(ENV, data, arguments.options).world_model

    starts = start_beliefs(world_model, data.id, anywhere=True)
    venv = VecMonitor(ImaginedVecEnv(world_model, n_envs=64, starts=starts, horizon=100))
    agent = PPO("MlpPolicy", venv, n_steps=64, batch_size=512, seed=0).learn(arguments.steps)

    real = make_belief_env(world_model, n_envs=8, seed=10_000_000)
    mean, deviation = evaluate_policy(agent, real, n_eval_episodes=16)
    print(f"return in the real environment: {mean:.1f} +- {deviation:.1f}")


if __name__ == "__main__":
    main()
