"""The last line of a command that writes event files: how to look at them."""

import shlex
import sys
import threading
import webbrowser
from pathlib import Path

HELP = "start TensorBoard on the new files, and open it in your browser"


def show_tensorboard_line(log_dir: Path, is_open: bool) -> None:
    """Prints the command that shows a log directory.

    Args:
        log_dir: the directory.
        is_open: whether to also start TensorBoard and a browser, until Ctrl-C.
    """
    print(f"See every layer:\ntensorboard --logdir {shlex.quote(str(log_dir))}")
    if is_open:
        _serve(log_dir)


def _serve(log_dir: Path) -> None:
    from tensorboard import program

    board = program.TensorBoard()
    board.configure(argv=["tensorboard", "--logdir", str(log_dir)])
    address = f"{board.launch()}#initkit"
    print(f"TensorBoard is at {address} (Ctrl-C stops it)", file=sys.stderr)
    webbrowser.open(address)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(file=sys.stderr)
