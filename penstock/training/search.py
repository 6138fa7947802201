"""Search of a rung's recipe within a time: Optuna's TPE proposes, the caller trains and scores on held-out rows.

It holds nothing: what was tried before comes in as `known`, so that a search goes on wherever trials were recorded. It
knows neither the gate nor the test split.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.training.extras import training_libraries
from penstock.training.records import Range, Space

HELD_SHARE = 0.2
START_AT_RANDOM = 6  # trials before TPE models anything; of 4 numbers it knows little before
MOST_TRIALS = 300
MOST_FAILURES = 3  # one after the other: then it is not the numbers
MOST_REPEATS = 20  # proposals tried before: a small space is used up


@dataclass(frozen=True)
class Trial:
    """What was tried. parameters: {} is the rung's own recipe. score: higher is better, None where it failed."""

    parameters: Mapping[str, Any]
    score: float | None
    seconds: float


@dataclass(frozen=True)
class Searched:
    """All trials, those known before too, in order; and why it ended."""

    trials: tuple[Trial, ...]
    stopped: str

    @property
    def own(self) -> Trial | None:
        """The trial of the rung's own recipe."""
        return next((trial for trial in self.trials if not trial.parameters and trial.score is not None), None)

    @property
    def best(self) -> Trial | None:
        """The best of the others, where it beats the rung's own recipe on the same rows."""
        others = [trial for trial in self.trials if trial.parameters and trial.score is not None]
        found = max(others, key=_score, default=None)
        if found is None or self.own is None or _score(found) <= _score(self.own):
            return None
        return found


def search(
    space: Space,
    attempt: Callable[[Mapping[str, Any]], Trial],
    *,
    known: Sequence[Trial] = (),
    seed: int,
    seconds: float,
    expected_s: float,
    most: int | None = None,
) -> Searched:
    """Try the rung's own recipe, then others of `space`, for `seconds` at most; one that would not end in what is left
    is not begun.

    attempt(parameters): trains and scores; a failure is a Trial without a score. expected_s: of the first trial; later
    ones are expected to take what the last took. most: trials, known ones included (MOST_TRIALS). The draws follow
    from the seed and the number of trials known.
    """
    trials, began, new, failures, repeats = list(known), time.perf_counter(), 0, 0, 0
    study, kinds = _study(space, trials, seed)
    most = MOST_TRIALS if most is None else most
    while True:
        left = seconds - (time.perf_counter() - began)
        stopped = _why_stop(trials, new, left, expected_s, failures, repeats, most)
        if stopped:
            return Searched(tuple(trials), stopped)
        if Searched(tuple(trials), "").own is None and failures == 0:
            trial = attempt({})
        else:
            proposed = study.ask(kinds)
            parameters = dict(proposed.params)
            before = next((each for each in trials if each.parameters == parameters), None)
            repeats = repeats + 1 if before is not None else 0
            trial = before or attempt(parameters)
            _tell(study, proposed, trial)
            if before is not None:
                continue
        trials.append(trial)
        new, expected_s = new + 1, trial.seconds
        failures = failures + 1 if trial.score is None else 0


def hold_out(
    rows: Sequence[Mapping[str, Any]], seed: int, share: float = HELD_SHARE
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """(to train, held): about `share` of the rows are held, drawn label by label where they have labels; a label's
    only row is never held."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(rows)):
        groups[str(rows[index].get("label", ""))].append(int(index))
    held: set[int] = set()
    for indices in groups.values():
        count = int(len(indices) * share + rng.random())
        held.update(indices[: min(count, len(indices) - 1)])
    train = [row for index, row in enumerate(rows) if index not in held]
    return train, [row for index, row in enumerate(rows) if index in held]


def _why_stop(
    trials: Sequence[Trial], new: int, left: float, expected_s: float, failures: int, repeats: int, most: int
) -> str:
    """ "" to go on."""
    if expected_s > left:
        return f"the next trial would take about {expected_s:.0f} s, {max(0.0, left):.0f} s are left"
    if failures >= MOST_FAILURES:
        return f"{failures} trials one after the other failed"
    if repeats >= MOST_REPEATS:
        return "the values to try are used up"
    if len(trials) >= most:
        return f"{most:,} trials are enough"
    return ""


def _study(space: Space, known: Sequence[Trial], seed: int) -> tuple[Any, dict[str, Any]]:
    """An Optuna study in memory that has been told what is known, and the distributions to ask it with."""
    with training_libraries("searching hyper-parameters"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = {name: _distribution(optuna, allowed) for name, allowed in space.items()}
    sampler = optuna.samplers.TPESampler(seed=seed + len(known), n_startup_trials=START_AT_RANDOM)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in known:
        fits = trial.parameters.keys() == kinds.keys()
        if fits and all(kinds[name]._contains(kinds[name].to_internal_repr(trial.parameters[name])) for name in kinds):
            study.add_trial(_told(optuna, trial, kinds))
    return study, kinds


def _distribution(optuna: Any, allowed: Range | tuple[Any, ...]) -> Any:
    kinds = optuna.distributions
    if not isinstance(allowed, Range):
        return kinds.CategoricalDistribution(allowed)
    if allowed.whole:
        return kinds.IntDistribution(int(allowed.low), int(allowed.high), log=allowed.log)
    return kinds.FloatDistribution(allowed.low, allowed.high, log=allowed.log)


def _told(optuna: Any, trial: Trial, kinds: Mapping[str, Any]) -> Any:
    state = optuna.trial.TrialState
    return optuna.trial.create_trial(
        params=dict(trial.parameters),
        distributions=dict(kinds),
        value=trial.score,
        state=state.FAIL if trial.score is None else state.COMPLETE,
    )


def _tell(study: Any, proposed: Any, trial: Trial) -> None:
    import optuna

    if trial.score is None:
        study.tell(proposed, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(proposed, trial.score)


def _score(trial: Trial) -> float:
    return float("-inf") if trial.score is None else trial.score
