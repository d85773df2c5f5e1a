"""The main job on each task, from an empty cache to the final table; no planner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import Part, Suite
from benchmarks.table import Table, digits, groups, interval_cells, number, over_seeds

# Environment, and the mean return over 500 fresh episodes that the policy should reach.
TASKS: dict[str, tuple[str, float]] = {
    "FourRooms": ("MiniGrid-FourRooms", 0.65),
    "DoorKey": ("MiniGrid-DoorKey-5x5", 0.9),
    "GoToRedBall": ("BabyAI-GoToRedBallNoDists", 0.9),
    "CartPole": ("CartPole-v1", 475.0),
    "Acrobot": ("Acrobot-v1", -100.0),
    "Pendulum": ("Pendulum-v1", -200.0),
}


def main_job_table(rows: Sequence[Row]) -> Table:
    """A line for each task and agent: return over training seeds, target, gap of imagination, cost."""
    columns = ["task", "agent", "return", "low", "high", "target", "seeds", "success", "imagined - real"]
    columns += ["minutes", "peak MB"]
    lines, used = [], []
    for (part, agent), group in groups(rows, "part", "agent").items():
        trained = not agent.startswith("behaviour")
        found = over_seeds(group, "return_mean")
        line = [part, agent, *interval_cells(found, digits(found))]
        line += [number(group[0].figure("target"), "g") if trained else "", str(found.seeds)]
        line += [number(over_seeds(group, "success_rate").mean)]
        line += [number(over_seeds(group, "imagined_gap").mean, "+.3f")]
        cost = [number(over_seeds(group, "command_seconds", 1 / 60).mean, ".1f")]
        cost += [number(over_seeds(group, "peak_memory_mb").mean, ".0f")]
        lines.append([*line, *(cost if trained else ["", ""])])
        used += group
    return Table("The main job, from an empty cache to the final table", columns, lines, used)


class TrainSuite(Suite):
    """See the module."""

    name = "train"
    about = "the main job on each task, without a planner"

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        return [Part(name) for name in TASKS]

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """See `Suite`."""
        from benchmarks.jobs import TrainJob, train

        env, target = TASKS[part]
        yield from train(TrainJob(self.name, part, env, seed, ("planner=none",), target), options, console)

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        return [main_job_table(rows)]


SUITE = TrainSuite()
