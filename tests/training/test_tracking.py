"""Curves of a run that is resumed have every point once."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nextlat_rl.training.tracking import Tracker, new_result, take_up


def test_points_after_the_checkpoint_are_hidden_and_its_own_losses_stay(tmp_path: Path) -> None:
    first = Tracker(tmp_path)
    for step in (1, 2, 3):
        first.scalars({"loss/policy": float(step), "eval/mean_reward": float(step)}, step)
    first.close()
    second = take_up(tmp_path, 2)
    for step in (2, 3):
        second.scalars({"eval/mean_reward": 10.0 * step}, step)  # measured again, as it may have been half written
    second.scalars({"loss/policy": 30.0}, 3)
    second.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    points = {tag: [(p.step, p.value) for p in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert points["loss/policy"] == [(1, 1.0), (2, 2.0), (3, 30.0)]
    assert points["eval/mean_reward"] == [(1, 1.0), (2, 20.0), (3, 30.0)]


def test_two_results_of_one_second_have_files_of_their_own_and_one_without_rows_goes(tmp_path: Path) -> None:
    with (
        new_result(tmp_path, "evaluation", "trunk") as (_, first),
        new_result(tmp_path, "evaluation", "trunk") as (
            _,
            second,
        ),
    ):
        first.write_text("[]")
        second.write_text("[]")
    with new_result(tmp_path, "evaluation") as (tracker, _):
        tracker.scalars({"eval/mean_reward": 1.0}, 1)
    assert first != second
    assert sorted(tmp_path.iterdir()) == sorted([first, first.with_suffix(""), second, second.with_suffix("")])


def test_a_part_of_a_record_is_replaced_not_doubled(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        tracker = Tracker(tmp_path, part="diagnosis")
        tracker.scalars({"worlds/x": value}, 5)
        tracker.close()
    events = EventAccumulator(str(tmp_path / "diagnosis"))
    events.Reload()
    assert [point.value for point in events.Scalars("worlds/x")] == [2.0]
    assert not list(tmp_path.glob("events*"))
