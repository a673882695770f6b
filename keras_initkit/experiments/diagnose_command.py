"""`keras-initkit diagnose`: what is wrong with the runs of a log directory."""

import argparse
import json
from pathlib import Path

from keras_initkit.diagnosis.diagnosis import Diagnosis
from keras_initkit.diagnosis.finding import Finding
from keras_initkit.diagnosis.problems import PROBLEMS
from keras_initkit.experiments.user_error import UserError
from keras_initkit.tensorboard.findings import read_findings

CRITICAL_CODE = 1
RUNS = "layer_stats*"

DESCRIPTION = """\
Show what LayerStatsCallback found wrong in the trainings of a log directory: in
which layer, since which step, why, and what to type instead. The first finding
of each training is its root cause.
"""

EPILOG = f"""\
problems:
{chr(10).join(f"  {name:<25} {problem.meaning}" for name, problem in PROBLEMS.items())}

exit code:
  0  no training has a critical finding
  1  a training has a critical finding
  2  the directory does not exist, has no training, or cannot be read

examples:
  keras-initkit diagnose logs
  keras-initkit diagnose logs --json | jq '.[].findings'
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds `diagnose` to the parser's subcommands."""
    parser = commands.add_parser(
        "diagnose",
        help="say what is wrong with the trainings of a log directory",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "log_dir", metavar="LOG_DIR", help="the log_dir of LayerStatsCallback"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Shows the findings.

    Raises:
        UserError: there is nothing to show.
    """
    runs = _runs(arguments.log_dir)
    pages = {name: Diagnosis(_findings(name, path)) for name, path in runs.items()}
    if arguments.json:
        print(
            json.dumps(
                [
                    {"run": name, "findings": [finding.to_dict() for finding in page]}
                    for name, page in pages.items()
                ],
                indent=2,
            )
        )
    else:
        print("\n\n".join(f"{name}\n{page}" for name, page in pages.items()))
    is_critical = any(page.is_critical for page in pages.values())
    return CRITICAL_CODE if is_critical else 0


def _findings(name: str, run: Path) -> list[Finding]:
    try:
        return read_findings(run)
    except (OSError, ValueError) as error:
        raise UserError(f"the findings of {name} cannot be read: {error}") from error


def _runs(log_dir: str) -> dict[str, Path]:
    """The directories with the event files of a training, by their names."""
    root = Path(log_dir).expanduser()
    if not root.is_dir():
        raise UserError(f"directory {log_dir} does not exist")
    found = sorted(
        path
        for path in {file.parent for file in root.rglob("*tfevents*")}
        if path.match(RUNS)
    )
    if not found:
        raise UserError(
            f"{log_dir} has no recording of LayerStatsCallback: no directory {RUNS} "
            "with event files"
        )
    return {str(path.relative_to(root)): path for path in found}
