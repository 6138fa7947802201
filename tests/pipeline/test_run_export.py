"""Runs leave for other tools: whole, once, and only to the place that was named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline.mlflow_server import Server, serving
from registry.logbook import LOSS, failed, fill, record

from penstock.core.errors import BadInput, NotFound, Unavailable
from penstock.pipeline.runs import export as run_export
from penstock.pipeline.runs.export import export_runs
from penstock.registry.runs import put_curves
from penstock.runtime.house import House, open_house

TOML = """\
[company]
name = "Harbour AI"

[products.helpdesk]
task = "text-classification"
data = "desk.csv"
gate = { accuracy = ">= 0.5" }
price = { tiers = [{ unit_price = "0.10" }] }
"""
MANY_LOSSES = [(float(step), 1 / (step + 1)) for step in range(1_500)]  # more than one request may hold


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Three runs: one with curves and many parameters, one on Chinese words, one that failed."""
    (tmp_path / "penstock.toml").write_text(TOML)
    opened = open_house(tmp_path, create=True)
    many = {f"n{number}": number for number in range(120)}
    with opened.store.transaction() as tx:
        curves = put_curves(opened.blobs, {"loss": MANY_LOSSES, "held": [(5.0, 0.8)]})
        record(tx, "a", curves_blob=curves, parameters={"recipe": {"peak": 1e-4, "schedule": "one-cycle"}, **many})
        record(
            tx,
            "b",
            parameters={"words": "退款" * 400, "on": True},
            curves_blob=put_curves(opened.blobs, {"loss": LOSS}),
        )
        failed(tx, "c")
    yield opened
    opened.close()


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    with serving() as server:
        yield server


def test_mlflow_gets_parameters_metrics_curves_and_how_each_run_ended(house: House, mlflow: Server) -> None:
    done = export_runs(house, "helpdesk", to=mlflow.address, form="mlflow")
    assert (done.written, done.skipped) == (3, 0)
    assert list(mlflow.experiments) == ["penstock/helpdesk"]
    by_number = {run["data"]["tags"]["penstock.number"]: run for run in mlflow.runs.values()}
    assert [by_number[n]["info"]["status"] for n in "123"] == ["FINISHED", "FINISHED", "FAILED"]
    first = by_number["1"]
    assert first["params"]["recipe.schedule"] == "one-cycle" and len(first["params"]) == 122
    assert len([point for point in first["metrics"] if point[0] == "training/loss"]) == len(MANY_LOSSES)
    assert {point[1] for point in first["metrics"] if point[0] == "accuracy"} == {0.9}
    assert first["info"]["end_time"] - first["info"]["start_time"] == 12_500
    assert by_number["2"]["params"]["words"].endswith("退…") and by_number["2"]["params"]["on"] == "true"
    assert by_number["3"]["data"]["tags"]["penstock.error"] == "the loss is not a number"


def test_a_run_is_sent_to_mlflow_once(house: House, mlflow: Server) -> None:
    export_runs(house, "helpdesk", to=mlflow.address, form="mlflow")
    with house.store.transaction() as tx:
        record(tx, "d", kind="trial")
    done = export_runs(house, "helpdesk", to=f"{mlflow.address}/", form="mlflow")
    assert (done.written, done.skipped, len(mlflow.runs)) == (1, 3, 4)
    assert mlflow.asked[-6:] == ["runs/search", "runs/search", "runs/create", *["runs/log-batch"] * 2, "runs/update"]


def test_an_export_that_was_cut_off_goes_on_where_it_stopped(house: House, mlflow: Server) -> None:
    mlflow.after = 7  # in the midst of the second run
    with pytest.raises(Unavailable, match="TEMPORARILY_UNAVAILABLE"):
        export_runs(house, "helpdesk", to=mlflow.address, form="mlflow")
    assert [run["info"]["status"] for run in mlflow.runs.values()] == ["FAILED", "RUNNING"]
    mlflow.after = None
    done = export_runs(house, "helpdesk", to=mlflow.address, form="mlflow")
    assert (done.written, done.skipped, len(mlflow.runs)) == (2, 1, 3)
    assert {run["info"]["status"] for run in mlflow.runs.values()} == {"FINISHED", "FAILED"}


def test_a_server_with_a_password_is_let_known_it(
    house: House, mlflow: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.password = "mai:s3cret"
    with pytest.raises(BadInput, match="does not let us in") as caught:
        export_runs(house, "helpdesk", to=mlflow.address, form="mlflow")
    assert "MLFLOW_TRACKING_USERNAME" in str(caught.value.hint)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "mai")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    assert export_runs(house, "helpdesk", to=mlflow.address, form="mlflow").written == 3
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    in_address = mlflow.address.replace("http://", "http://mai:s3cret@")
    assert export_runs(house, "helpdesk", to=in_address, form="mlflow").to == mlflow.address  # and never shown


def test_tensorboard_reads_the_curves_the_metrics_and_the_parameters(house: House, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    done = export_runs(house, "helpdesk", to=str(tmp_path / "tb"), form="tensorboard")
    folders = sorted(folder.name for folder in (tmp_path / "tb" / "helpdesk").iterdir())
    assert (done.written, folders) == (3, ["0001-full.v1", "0002-full.v1", "0003-full.v1"])
    read = EventAccumulator(str(tmp_path / "tb" / "helpdesk" / "0001-full.v1"), size_guidance={"scalars": 0}).Reload()
    assert len(read.Scalars("training/loss")) == len(MANY_LOSSES)
    assert read.Scalars("accuracy")[0].value == pytest.approx(0.9)
    last, ended = read.Scalars("training/loss")[-1], read.Scalars("accuracy")[0].wall_time
    assert (last.step, last.wall_time) == (1_499, ended)
    [told] = [HParamsPluginData.FromString(c) for t, c in read.PluginTagToContent("hparams").items() if "start" in t]
    hparams = told.session_start_info.hparams
    assert (hparams["recipe.peak"].number_value, hparams["recipe.schedule"].string_value) == (1e-4, "one-cycle")


def test_a_run_is_written_for_tensorboard_once(house: House, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    export_runs(house, "helpdesk", to=str(tmp_path / "tb"), form="tensorboard", kind="train")
    before = sorted((tmp_path / "tb").rglob("*"))
    done = export_runs(house, "helpdesk", to=str(tmp_path / "tb"), form="tensorboard")
    assert (done.written, done.skipped) == (0, 3) and sorted((tmp_path / "tb").rglob("*")) == before


def test_several_pages_of_runs_are_exported_each_once(
    house: House, mlflow: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_export, "PAGE", 2)
    with house.store.transaction() as tx:
        fill(tx, 4, product="empty")
    (house.folder / "penstock.toml").write_text(TOML + TOML.split("\n\n")[1].replace("helpdesk", "empty"))
    assert export_runs(house, "empty", to=mlflow.address, form="mlflow").written == 4
    assert export_runs(house, "empty", to=mlflow.address, form="mlflow").skipped == 4


def test_a_place_that_does_not_fit_the_form_is_refused(house: House) -> None:
    for to, form, message in (
        ("somewhere", "mlflow", "reached by an address"),
        ("ftp://127.0.0.1", "mlflow", "reached by an address"),
        ("http://", "mlflow", "reached by an address"),
        ("http://127.0.0.1:x", "mlflow", "reached by an address"),
        ("http://127.0.0.1:5000", "tensorboard", "name a folder"),
        ("/proc/none", "tensorboard", "cannot write here"),
        ("out", "wandb", "no export in the form 'wandb'"),
    ):
        with pytest.raises(BadInput, match=message):
            export_runs(house, "helpdesk", to=to, form=form)


def test_what_is_no_mlflow_server_is_told_so(house: House, mlflow: Server) -> None:
    with pytest.raises(BadInput, match="ENDPOINT_NOT_FOUND"):
        export_runs(house, "helpdesk", to=f"{mlflow.address}/elsewhere", form="mlflow")
    with pytest.raises(Unavailable, match="does not answer"):
        export_runs(house, "helpdesk", to="http://127.0.0.1:9", form="mlflow")


def test_nothing_to_export_is_told_before_anyone_is_called(house: House, mlflow: Server) -> None:
    with pytest.raises(BadInput, match="has no run to export"):
        export_runs(house, "helpdesk", to=mlflow.address, form="mlflow", kind="compress")
    with pytest.raises(NotFound):
        export_runs(house, "unknown", to=mlflow.address, form="mlflow")
    assert mlflow.asked == []
