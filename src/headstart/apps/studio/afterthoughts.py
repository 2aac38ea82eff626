"""What takes longer than a training and can wait until the user pauses: near copies, and the learning curve."""

from __future__ import annotations

import threading
import time

from headstart.apps.studio.learning import Learnt, Trainer, curve_for
from headstart.progress import Silent
from headstart.trust.copies.together import together

#: Seconds without a new training after which it begins; longer if the last time took long.
_PAUSE = 1.0
_SHARE = 0.5


class Afterthoughts(threading.Thread):
    """Looks for near copies, and follows the learning curve, once a classifier is no longer replaced at once.

    Args:
        trainer: whose classifiers.
    """

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(name="headstart-studio-afterthoughts", daemon=True)
        self._trainer = trainer
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the thread after what it is doing."""
        self._stopped.set()

    def run(self) -> None:
        """Wait for pauses."""
        pause, waiting, done = _PAUSE, None, None
        while not self._stopped.wait(pause):
            learnt = self._trainer.learnt
            trial = learnt and learnt.trial
            if learnt is None or trial is done or any(photo.is_waiting for photo in self._trainer.project.shown()):
                continue
            if trial is not waiting:
                waiting = trial
                continue
            started = time.monotonic()
            try:
                self._think(learnt)
            except Exception as error:  # whatever it is: this thread goes on, as the others do
                self._trainer.project.stream.trouble(error)
            pause = max(_PAUSE, _SHARE * (time.monotonic() - started))
            done = trial

    def _think(self, learnt: Learnt) -> None:
        train = learnt.trial.data.train
        grouped = together(train, self._trainer.reader.store, Silent())
        groups = dict(zip(grouped.features.hashes.tolist(), grouped.groups.tolist(), strict=True))
        if grouped.independent < train.independent and not groups.items() <= self._trainer.groups.items():
            self._trainer.groups |= groups
            self._trainer.wake()
            return
        self._trainer.followed(learnt, curve_for(learnt))
