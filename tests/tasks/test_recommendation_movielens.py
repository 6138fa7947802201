"""On MovieLens small, split as its reference figures are: popularity reaches nDCG@10 .019 and HR@10 .04."""

from pathlib import Path

import pytest

from penstock.tasks.recommendation.data.preparing import prepare, records_of
from penstock.tasks.recommendation.task import TASK
from penstock.tasks.recommendation.train import RUNGS
from penstock.training.records import TrainRequest
from penstock.workspace.records import Product


def test_each_users_last_rating_is_asked_for_among_all_films(shared_data: Path) -> None:
    product = Product(
        task="recommendation",
        data="ratings.csv.gz",
        columns={"user": "userId", "item": "movieId", "time": "timestamp", "weight": "rating"},
        gate={"hr_at_10": ">= 0.1"},
        price={"tiers": [{"unit_price": "0.001"}]},
        options={
            "items": "movies.csv.gz",
            "item_columns": {"item": "movieId", "title": "title"},
            "attributes": ["genres"],
        },
    )
    found = prepare(product, shared_data / "movielens_small")
    assert (found.report.read_train, found.report.rows_test, found.report.findings) == (100_004, 671, ())
    train, test = records_of(found.train, product), records_of(found.test, product)
    assert len(train.items) == 9_125
    popularity = next(rung.train for rung in RUNGS if rung.name == "popularity.v1")
    model = popularity(TrainRequest(train, options=product.options)).model
    measured = TASK.measure(model, test, model.predict(TASK.inputs(test)), 0)
    assert measured.quality["ndcg_at_10"].value == pytest.approx(0.0189, abs=1e-4)
    assert measured.quality["hr_at_10"].value == pytest.approx(0.0413, abs=1e-3)
