"""`python -m nextlat_rl.improve`."""

from nextlat_rl.console import make_console, print_result, table
from nextlat_rl.jobs.commands import ImproveCommand
from nextlat_rl.jobs.evaluation import COLUMNS, cells
from nextlat_rl.jobs.improvement import improve as improve_checkpoint


def improve(config: ImproveCommand) -> None:
    """Improve a checkpoint's policy, and print what it gained."""
    console = make_console(config.json)
    rows = improve_checkpoint(config, console)
    if config.json:
        print_result(rows)
        return
    title = f"{rows[0]['env']}, {config.episodes} fresh episodes"
    console.print(table(title, COLUMNS, [cells(row) for row in rows]))
    for row in rows:
        console.print(
            f"{row['agent']}: imagined return {row['imagined_return_mean']:.3f}, real {row['real_return_mean']:.3f}, "
            f"gap {row['imagined_gap']:+.3f}",
            highlight=False,
        )
    folder = rows[-1]["run"]
    console.print(f"The improved policy lies in {folder}: evaluate checkpoint={folder}", highlight=False)
