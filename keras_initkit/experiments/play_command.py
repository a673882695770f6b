"""`keras-initkit play`: choose, train and watch, in the browser."""

import argparse
import logging
import webbrowser

from keras_initkit.experiments.extras import require_extras
from keras_initkit.experiments.mnist_files import AT_HAND_HELP, read_mnist
from keras_initkit.experiments.user_error import UserError

LARGEST_PORT = 2**16 - 1

DESCRIPTION = """\
Serve a page on this machine. There you choose a dataset, a network and an
initialization, train the network, and watch what happens. It trains real Keras models,
and LayerStatsCallback records them. Press Ctrl+C to stop.
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds `play` to the parser's subcommands."""
    parser = commands.add_parser(
        "play",
        help="choose, train and watch networks in your browser",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help="port of the page (default: a free one)",
    )
    parser.add_argument(
        "--open", action="store_true", help="open the page in your browser"
    )
    parser.add_argument(
        "--mnist-path",
        metavar="FILE",
        help=AT_HAND_HELP,
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves the page until Ctrl+C.

    Raises:
        UserError: the page cannot be served.
    """
    require_extras()
    if not 0 <= arguments.port <= LARGEST_PORT:
        raise UserError(
            f"`--port` must be from 0 to {LARGEST_PORT}. Received: {arguments.port}"
        )
    from keras_initkit.experiments.play.scenes import all_scenes
    from keras_initkit.experiments.play.server import HOST, Play, server

    # The page shows the findings; the terminal need not.
    logging.getLogger("keras_initkit").setLevel(logging.ERROR)
    try:
        if arguments.mnist_path is not None:
            read_mnist(arguments.mnist_path)
    except (OSError, ValueError) as error:
        raise UserError(error) from error
    play = Play(all_scenes(arguments.mnist_path))
    try:
        serving = server(play, arguments.port)
    except OSError as error:
        raise UserError(f"port {arguments.port} cannot be served: {error}") from error
    address = f"http://{HOST}:{serving.port}/"
    print(f"Play at {address} (Ctrl+C stops it)", flush=True)
    if arguments.open:
        webbrowser.open(address)
    try:
        serving.serve_forever()
    finally:
        serving.server_close()
        play.close()
    return 0
