"""A data set of one's own, written from arrays: here logs of a simple controller that balances Pendulum badly.

python examples/own_data.py [--episodes 100] [name=value ...]    options of nextlat_rl.train
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from nextlat_rl import Agent, Episode, evaluate_agent, list_datasets, make_env, train_model, write_dataset

ENV, DATA = "Pendulum-v1", "mine/pendulum-v0"


def logged_episodes(count: int) -> Iterator[Episode]:
    """What a log could hold: T + 1 observations, T actions, rewards and flags for each episode."""
    env, rng = make_env(ENV), np.random.default_rng(0)
    for number in range(count):
        observation, _ = env.reset(seed=number)
        observations, actions, rewards, ends, cuts = [observation], [], [], [], []
        gain = rng.uniform(0.5, 3.0)
        while not (cuts and (ends[-1] or cuts[-1])):
            cosine, sine, speed = observation
            swing = np.sign(speed) * 2.0 if cosine < 0.8 else -10.0 * sine - 2.0 * speed
            action = np.clip(gain * swing + rng.normal(0, 0.5, 1), -2.0, 2.0).astype(np.float32)
            observation, reward, end, cut, _ = env.step(action)
            observations.append(observation)
            actions.append(action)
            rewards.append(float(reward))
            ends.append(end)
            cuts.append(cut)
        yield Episode(number, "controller", observations, actions, rewards, ends, cuts)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=100, help="episodes of the data set")
    parser.add_argument("options", nargs="*", default=["trainer.steps=1500"])
    arguments = parser.parse_args()

    if DATA not in list_datasets():
        env = make_env(ENV)
        episodes = logged_episodes(arguments.episodes)
        write_dataset(DATA, ENV, env.observation_space, env.action_space, episodes, behaviour="controller")
    run = train_model(ENV, DATA, ["planner=none", *arguments.options])
    row = evaluate_agent(Agent(run.world_model, batch_size=16, deterministic=True), episodes=16)
    print(f"return of the trained policy: {row['return_mean']:.0f}")


if __name__ == "__main__":
    main()
