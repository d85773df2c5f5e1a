"""`python -m nextlat_rl.doctor`."""

from nextlat_rl.console import make_console, print_result, table
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.doctor import Finding, examine


def doctor(config: TrainConfig) -> None:
    """Print what the main job with these settings would do; what was found before an error is printed too."""
    console = make_console(config.json)
    findings: list[Finding] = []
    try:
        examine(config, findings)
    finally:
        rows = [[finding.what, finding.found, finding.why] for finding in findings]
        console.print(table(f"{config.env.id}: what the main job would do", ["what", "choice", "why"], rows))
    if config.json:
        print_result([vars(finding) for finding in findings])
