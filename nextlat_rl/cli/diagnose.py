"""`python -m nextlat_rl.diagnose`."""

from nextlat_rl.console import make_console, print_result, table
from nextlat_rl.jobs.commands import DiagnoseCommand
from nextlat_rl.jobs.diagnosis import Diagnosis
from nextlat_rl.jobs.trust import diagnose_checkpoint, trust_line
from nextlat_rl.training.checkpoint import run_folder


def diagnose(config: DiagnoseCommand) -> None:
    """Compare a checkpoint's dreams with reality; a table, a picture, and the trust horizon in the checkpoint."""
    console = make_console(config.json)
    found = diagnose_checkpoint(config, console)
    if config.json:
        print_result([found.row()])
        return
    title = f"{found.episodes} dreams beside as many real episodes from the same starts, {found.steps} steps at most"
    console.print(table(title, ["what", "dreams", "reality"], _rows(found)))
    folder = run_folder(config.checkpoint)
    for line in (trust_line(found.trust), f"Written to {folder}: diagnosis.png, diagnosis.json, and the checkpoint"):
        console.print(line, highlight=False)


def _rows(found: Diagnosis) -> list[list[str]]:
    """What was compared, in words."""
    returns, there = found.returns, found.existence
    rows = [
        ["mean return", f"{returns.imagined.mean():.3f}", f"{returns.real.mean():.3f}"],
        ["median return", *(f"{found.row()[f'{kind}_return_median']:.3f}" for kind in ("imagined", "real"))],
        ["returns that no episode had", f"{returns.impossible} of {found.episodes}", "0"],
    ]
    if there.share is not None and there.share_real is not None:
        rows.append(["observations that are in the data", f"{there.share:.1%}", f"{there.share_real:.1%}"])
    if there.distance is not None and there.distance_real is not None:
        rows.append(["distance to the nearest in the data", f"{there.distance:.4f}", f"{there.distance_real:.4f}"])
    if found.maps is not None:
        real, imagined = (f"{drawn.contradictions_per_step:.4f}" for drawn in found.maps)
        rows.append(["contradictions in the map, a step", imagined, real])
    for event in found.events:
        rates = (event.imagined_rate, event.real_rate)
        rows.append([f"{event.name}, a step", *("" if rate is None else f"{rate:.4f}" for rate in rates)])
    for test in found.trust.tests:
        rows.append([f"told apart at step {test.horizon} (AUC of {test.pairs} pairs)", f"{test.auc:.3f}", "0.5"])
    rows += [[f"bits a step on held-out data: {part}", "", f"{bits:.4f}"] for part, bits in found.bits.items()]
    return rows
