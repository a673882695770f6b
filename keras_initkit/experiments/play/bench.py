"""One start, or two side by side: trained in step, and pictured together."""

from typing import Any

from keras_initkit.experiments.play.fields import Values, of_second
from keras_initkit.experiments.play.run import Run
from keras_initkit.experiments.play.scene import Scene


class Bench:
    """What is trained of one choice; nothing before the first `choose`."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._values: list[Values] = []
        self._scene: Scene

    def choose(self, scene: Scene, values: Values) -> None:
        """Draws what was chosen. A network of the same kind is drawn anew in place.

        Raises:
            ValueError: a start is not for this network.
        """
        self._scene = scene
        each = [values, of_second(values)]
        self._values = each[: 2 if values["starts"] == "two" else 1]
        before, self._runs = self._runs, []
        try:
            for own in self._values:
                dataset, settings = scene.dataset(own), scene.settings(own)
                fitting = [run for run in before if run.fits(dataset, settings)]
                if fitting:
                    before.remove(fitting[0])
                    run = fitting[0]
                else:
                    run = Run(dataset, settings, scene.seen, scene.others(dataset))
                self._runs.append(run)
                run.start(settings)
        finally:
            for run in before:
                run.close()

    def advance(self) -> bool:
        """Takes one step of each; False if one of them has none left."""
        advanced = [run.advance() for run in self._runs]
        return bool(advanced) and all(advanced)

    def frame(self) -> dict[str, Any]:
        """What is to be seen now: `step`, and of each run what belongs to it."""
        return {
            "scene": self._scene.name,
            "step": self._runs[0].step,
            "runs": [
                self._of_run(run, values)
                for run, values in zip(self._runs, self._values, strict=True)
            ],
        }

    def close(self) -> None:
        """Ends all trainings."""
        for run in self._runs:
            run.close()
        self._runs = []

    def _of_run(self, run: Run, values: Values) -> dict[str, Any]:
        if run.step not in run.costs:
            run.see()
        return {
            "curve": run.curve(),
            "accuracy": run.accuracy,
            "findings": [finding.to_dict() for finding in run.findings],
            "lesson": self._scene.lesson(run, values),
            **self._scene.picture(run, values),
        }
