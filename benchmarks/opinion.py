"""Opinion monitoring on 50,528 dated headlines: shifts of known size and date found or not, false alarms, documents/s.

    python -m benchmarks.opinion [--seeds 3] [--part detection|throughput] [--documents 50528]

Detection: 25 companies and topics; April 2018 to November 2019 teach, the rest (with the spring of 2020 in it) is held
out. Beside our two rungs, in the same run and on the same planted shifts: the customary mean + 3 standard
deviations, and the residual of a robust STL decomposition (statsmodels, where it is installed; volume only), calibrated
as ours. Sentiment is an n-gram model trained on SST-2: film reviews, so a weak judge of business news.
Throughput: the whole way, from a file through the gateway (billed) to mentions and alerts, by the command line.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import penstock, report, shared_data
from penstock.datasets.rows import Split
from penstock.tasks.opinion.data import clean_documents, read_documents
from penstock.tasks.opinion.measure import Plan, Planted, choose, detection_rate, false_alarms, plant, replay
from penstock.tasks.opinion.model.detector import CUSUM, FIXED, LEAST_MENTIONS, Detector
from penstock.tasks.opinion.model.matcher import Matcher
from penstock.tasks.opinion.model.series import Series, bucket_number, series_of
from penstock.tasks.opinion.train.calibrate import BLOCK_DAYS, REPLICATE_DAYS, fit
from penstock.tasks.text.train import ngram_linear
from penstock.training.records import TrainRequest

ENTITIES: dict[str, list[str]] = {
    "Airbus": [],
    "Amazon": ["Bezos"],
    "Apple": ["iPhone"],
    "Boeing": ["737 MAX"],
    "Brexit": [],
    "China": ["Chinese", "Beijing"],
    "Deutsche Bank": [],
    "ECB": ["European Central Bank"],
    "Facebook": ["Zuckerberg"],
    "Fed": ["Federal Reserve", "Powell"],
    "Fiat Chrysler": ["FCA"],
    "Ford": [],
    "GM": ["General Motors"],
    "Goldman": ["Goldman Sachs"],
    "Google": ["Alphabet"],
    "Huawei": ["ZTE"],
    "Nissan": ["Ghosn"],
    "OPEC": ["OPEC+"],
    "Renault": [],
    "Ryanair": [],
    "SoftBank": [],
    "Tesla": ["Musk"],
    "Uber": [],
    "Volkswagen": ["VW"],
    "Walmart": [],
}
FIRST, CUT, LAST = (datetime(*day, tzinfo=UTC) for day in ((2018, 4, 1), (2019, 11, 15), (2020, 7, 18)))
CONTEXT = 63
TARGETS = (0.1, 0.3, 1.0)
SIZES = (Plan(volume=2.0, share=0.2), Plan(volume=3.0, share=0.3), Plan(volume=5.0, share=0.5))
Lasting = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part", choices=("detection", "throughput"))
    parser.add_argument("--documents", type=int, default=50_528)
    asked = parser.parse_args()
    if asked.part in (None, "detection"):
        detection(asked.seeds)
    if asked.part in (None, "throughput"):
        throughput(asked.documents)


def detection(seeds: int) -> None:
    train, held_out = streams()
    for target in TARGETS:
        for name, detector in detectors(train, target).items():
            for plan in SIZES:
                one = [replay(detector, held_out, CONTEXT, plan, seed) for seed in range(seeds)]
                told = {"target": target, "planted": f"volume x{plan.volume:g}, share +{plan.share:g}", "days": 14}
                report("opinion detection", method=name, **told, **_figures(one))
        stl_peer(train, held_out, target, seeds)


def detectors(train: Series, target: float) -> dict[str, Detector]:
    fixed = fit(FIXED, train, target, seed=0)
    customary = replace(fixed, limits=dict.fromkeys(fixed.limits, 3.0))
    found = {"seasonal-cusum.v1": fit(CUSUM, train, target, seed=0), "fixed-threshold.v1": fixed}
    return {**found, "mean + 3 standard deviations": customary} if target == TARGETS[0] else found


def _figures(replays: list[Any]) -> Lasting:
    """Medians over seeds; the interval of the first."""
    figures: Lasting = {}
    for kind in ("volume", "negative", "positive"):
        rates, waits = [], []
        for one in replays:
            found = tuple(each for each in one.found if each.planted.kind == kind)
            rates.append(detection_rate(found))
            waits += [each.delay for each in found if each.delay is not None]
        figures[f"{kind}_found"] = round(statistics.median(rate.value for rate in rates), 3)
        figures[f"{kind}_interval"] = [round(rates[0].low, 3), round(rates[0].high, 3)]
        figures[f"{kind}_median_delay_days"] = statistics.median(waits) if waits else None
    alarms = false_alarms(replays[0])
    months = replays[0].months * len(replays[0].alarms)
    by_kind = [round(float(count) / months, 3) for count in replays[0].alarms.sum(axis=0)]
    return {
        **figures,
        "false_alarms_per_entity_month": round(alarms.value, 3),
        "false_alarms_interval": [round(alarms.low, 3), round(alarms.high, 3)],
        "false_alarms_volume_negative_positive": by_kind,
    }


def streams() -> tuple[Series, Series]:
    """What teaches, and what is held out with CONTEXT days before it."""
    path = shared_data("headlines_guardian_reuters") / "headlines.csv.gz"
    read = read_documents(path, {"text": "headline", "time": "date"}, now=datetime.now(UTC), zone="UTC")
    documents = [one.document for one in clean_documents(read, "train", 10_000)[0]]
    matcher = Matcher(ENTITIES)
    found = [(one, matcher.find(one.text)) for one in documents]
    named = [(one, matches) for one, matches in found if matches]
    scores = mood().predict([one.text for one, _ in named])
    negative = scores[:, 0]  # labels are negative, positive; the middle is neutral
    tones = np.where(negative > 0.6, -1, np.where(negative < 0.4, 1, 0))
    mentions = [
        (match.entity, bucket_number(one.time, "day", "UTC"), int(tone), 1)
        for (one, matches), tone in zip(named, tones, strict=True)
        for match in matches
    ]
    first, cut, last = (bucket_number(day, "day", "UTC") for day in (FIRST, CUT, LAST))

    def between(start: int, end: int) -> Series:
        return series_of(matcher.names, mentions, bucket="day", timezone="UTC", first=start, last=end)

    return between(first, cut - 1), between(cut - CONTEXT, last)


def mood() -> Any:
    """The n-gram model of SST-2."""
    texts, labels = [], []
    with gzip.open(shared_data("sst2") / "train.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            texts.append(row["text"])
            labels.append({"0": "negative", "1": "positive"}[row["label"]])
    return ngram_linear.train(TrainRequest(Split(texts, labels))).model


# the peer: STL


def stl_peer(train: Series, held_out: Series, target: float, seeds: int) -> None:
    """Today's residual of a robust STL (Cleveland et al. 1990) of the last eight weeks, in robust deviations."""
    try:
        from statsmodels.tsa.seasonal import STL  # noqa: F401
    except ImportError:
        if target == TARGETS[0]:
            report("opinion detection", method="STL residual", missing="pip install statsmodels")
        return
    history = _residuals(train.volume, range(CONTEXT, train.length))[:, CONTEXT:]
    limit = _stl_limit(history, target / 3)
    plain = _residuals(held_out.volume, range(CONTEXT, held_out.length)) > limit
    plain &= held_out.volume >= LEAST_MENTIONS
    alarms = int((plain[:, 1:] & ~plain[:, :-1]).sum())
    months = held_out.months(held_out.length - CONTEXT) * len(held_out.entities)
    for plan in SIZES:
        rates, waits = [], []
        for seed in range(seeds):
            shifts = choose(held_out, "volume", CONTEXT, plan, seed)
            delays = [
                _stl_delay(shift, row, plain, limit, plan)
                for shift, row in zip(shifts, plant(held_out, shifts, plan, seed).volume, strict=True)
            ]
            rates.append(sum(delay is not None for delay in delays) / len(delays))
            waits += [delay for delay in delays if delay is not None]
        report(
            "opinion detection",
            method="STL residual",
            target=target,
            planted=f"volume x{plan.volume:g}",
            days=plan.buckets,
            volume_found=round(statistics.median(rates), 3),
            volume_median_delay_days=statistics.median(waits) if waits else None,
            false_alarms_volume=round(alarms / months, 3),
        )


def _stl_delay(shift: Planted, row: Any, plain: Any, limit: float, plan: Plan) -> int | None:
    days = range(shift.at, shift.at + plan.buckets)
    rung = (_residuals(row[None], days)[0] > limit) & (row >= LEAST_MENTIONS)
    new = [day - shift.at for day in days if rung[day] and not plain[shift.entity, day]]
    return new[0] if new else None


def _residuals(volume: Any, days: range) -> Any:
    from statsmodels.tsa.seasonal import STL

    found = np.zeros(volume.shape)
    for entity, row in enumerate(volume):
        for day in days:
            window = row[max(0, day - 55) : day + 1].astype(float)
            rest = STL(window, period=7, robust=True).fit(inner_iter=1, outer_iter=3).resid
            spread = 1.4826 * np.median(np.abs(rest - np.median(rest))) + 0.3
            found[entity, day] = rest[-1] / spread
    return found


def _stl_limit(history: Any, wanted: float) -> float:
    """As calibrate.limit: blocks of the history's own days, put end to end into years."""
    random = np.random.default_rng(0)
    starts = random.integers(0, history.shape[1] - BLOCK_DAYS, size=(len(history), 8, REPLICATE_DAYS // BLOCK_DAYS))
    rows = np.stack(
        [history[e][(starts[e][:, :, None] + np.arange(BLOCK_DAYS)).reshape(8, -1)] for e in range(len(history))]
    )
    rows = rows.reshape(-1, rows.shape[-1])
    months = rows.shape[1] / 30.44 * len(rows)
    for limit in np.arange(1, 60, 0.25):
        alarm = rows > limit
        if (alarm[:, 1:] & ~alarm[:, :-1]).sum() / months <= wanted:
            return float(limit)
    return 60.0


# throughput

TOML = """
[company]
name = "Benchmark"
[products.mood]
task = "text-classification"
data = "{mood}"
ladder = ["ngram-linear.v1"]
gate = {{ accuracy = ">= 0.5" }}
[products.mood.price]
tiers = [{{ unit_price = "0.001" }}]
[products.brands]
task = "opinion-monitoring"
data = "{history}"
columns = {{ text = "headline", time = "date" }}
ladder = ["seasonal-cusum.v1"]
gate = {{ detection_rate = ">= 0.05" }}
[products.brands.price]
unit = "document"
tiers = [{{ unit_price = "0.001" }}]
[products.brands.options]
sentiment = "mood"
positive = ["1"]
negative = ["0"]
[products.brands.options.entities]
{entities}
"""


def throughput(documents: int) -> None:
    """Documents a second from a file through the gateway to mentions, and seconds until alerts are found."""
    headlines, sst2 = shared_data("headlines_guardian_reuters"), shared_data("sst2")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        entities = "\n".join(f'"{name}" = {aliases}'.replace("'", '"') for name, aliases in ENTITIES.items())
        history = headlines / "headlines.csv.gz"
        text = TOML.format(mood=sst2 / "train.csv.gz", history=history, entities=entities)
        (folder / "penstock.toml").write_text(text)
        penstock(folder, "apply")
        for product in ("mood", "brands"):
            trained = penstock(folder, "train", product)
            penstock(folder, "release", product)
            report("opinion training", product=product, seconds=round(trained.seconds, 1))
        penstock(folder, "customer", "add", "Quay", "--email", "quay@example.com")
        key = penstock(folder, "key", "create", "Quay").output
        with gateway(folder) as url:
            sample = first_of(history, documents, folder / "sample.csv")
            words = ("opinion", "replay", "brands", str(sample), "--url", url, "--key", _secret(key))
            done, again = penstock(folder, *words), penstock(folder, *words)
        report(
            "opinion end to end",
            documents=done.output["pushed"]["documents"],
            mentions=done.output["pushed"]["mentions"],
            alerts=done.output["tended"]["alerts"],
            seconds=round(done.seconds, 1),
            documents_per_second=round(done.output["pushed"]["documents"] / done.seconds),
            replayed_seconds=round(again.seconds, 1),
        )
        peer(sample)


def peer(sample: Path) -> None:
    """Beside it, the bare libraries: the same n-gram model and a regular expression of all aliases, no server."""
    import re

    with sample.open(encoding="utf-8", newline="") as stream:
        texts = [row["headline"] for row in csv.DictReader(stream)]
    aliases = sorted((alias for name, others in ENTITIES.items() for alias in (name, *others)), key=len, reverse=True)
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, aliases)) + r")(?!\w)", re.IGNORECASE)
    model = mood()
    bare = round(len(texts) / _seconds(lambda: _bare(model, pattern, texts)))
    report("opinion end to end", method="pattern and model in one process", documents_per_second=bare)
    matcher = Matcher(ENTITIES)
    report(
        "opinion matching",
        method="ours",
        texts_per_second=round(len(texts) / _seconds(lambda: [matcher.find(t) for t in texts])),
    )
    report(
        "opinion matching",
        method="one regular expression",
        texts_per_second=round(len(texts) / _seconds(lambda: [pattern.findall(t) for t in texts])),
    )


def _bare(model: Any, pattern: Any, texts: list[str]) -> None:
    for start in range(0, len(texts), 100):
        page = texts[start : start + 100]
        model.predict(page)
        for text in page:
            pattern.findall(text)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def first_of(history: Path, documents: int, target: Path) -> Path:
    with (
        gzip.open(history, "rt", encoding="utf-8", newline="") as stream,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        rows = csv.reader(stream)
        writer = csv.writer(out, lineterminator="\n")
        for number, row in enumerate(rows):
            if number > documents:
                break
            writer.writerow(row)
    return target


@contextmanager
def gateway(folder: Path) -> Iterator[str]:
    """`penstock serve` in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "penstock", "--workspace", str(folder), "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    import httpx2

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    sys.exit("the gateway did not come up")


def _secret(key: Any) -> str:
    text = key if isinstance(key, str) else next(v for v in key.values() if str(v).startswith("sk_live_"))
    return str(text)


if __name__ == "__main__":
    main()
