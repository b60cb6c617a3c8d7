"""Examples of requests and answers by operation, for the OpenAPI document: one story, of who leaves a phone company."""

from typing import Any

_ROW = {"tenure": 5, "contract": "One year"}
_MODEL = {"model": "churn", "version": 3}
_OUTCOME = {
    "prediction_id": "01936f5e-8a4c-7c3e-9d2b-5f0c6a1e7b42",
    "label": "No",
    "probability": 0.83,
    "probabilities": {"No": 0.83, "Yes": 0.17},
    "warnings": [],
}
_CONTRACT = {
    "target": "churn",
    "classes": ["No", "Yes"],
    "features": [
        {
            "name": "tenure",
            "kind": "integer",
            "missing": False,
            "default": 29,
            "categories": [],
            "low": 0,
            "high": 72,
        },
        {
            "name": "contract",
            "kind": "category",
            "missing": False,
            "default": "Month-to-month",
            "categories": ["Month-to-month", "One year", "Two year"],
            "low": None,
            "high": None,
        },
    ],
    "left_out": {"customer": "identifier-like: 7,043 different texts in 7,043 rows"},
    "strict": False,
}
_METRICS = {"accuracy": 0.81, "f1": 0.6, "roc_auc": 0.85, "precision": 0.67, "recall": 0.55}
_LISTED_DATASET = {
    "id": 7,
    "name": "churn",
    "number": 2,
    "sha256": "16b7e4a5b9f0c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabb",
    "target": "churn",
    "rows": 7_043,
    "columns": 4,
    "size_bytes": 245_760,
    "contract": _CONTRACT,
    "warnings": [],
    "created_at": "2026-03-02T09:14:07Z",
}
_DATASET = {
    **_LISTED_DATASET,
    "profile": [
        {
            "name": "tenure",
            "kind": "integer",
            "missing": 0,
            "distinct": 73,
            "quantiles": [0, 9, 29, 55, 72],
            "counts": [2_186, 1_024, 832, 959, 2_042],
            "edges": [0, 14.4, 28.8, 43.2, 57.6, 72],
        }
    ],
}
_RECIPE = {
    "estimator": "random_forest",
    "search": "grid",
    "scoring": "roc_auc",
    "folds": 5,
    "seed": 0,
    "space": {"n_estimators": [100, 300], "max_depth": [8, None]},
    "class_weight": None,
    "max_fits": None,
    "max_minutes": 30,
    "aim": None,
}
_QUEUED_RUN = {
    "id": 12,
    "classifier": "churn",
    "dataset": 7,
    "recipe": _RECIPE,
    "corrections": {"columns": {}, "strict": False},
    "state": "queued",
    "attempt": 0,
    "fits_done": 0,
    "fits_total": 20,
    "best_score": None,
    "seconds_left": None,
    "candidates": [],
    "error": "",
    "warnings": [],
    "tracking_url": "",
    "version": None,
    "created_at": "2026-03-02T09:15:00Z",
    "started_at": None,
    "cancel_requested_at": None,
    "finished_at": None,
}
_RUN = {
    **_QUEUED_RUN,
    "state": "succeeded",
    "attempt": 1,
    "fits_done": 20,
    "best_score": 0.847,
    "candidates": [
        {
            "family": "random_forest",
            "params": {"n_estimators": 300, "max_depth": 8},
            "mean": 0.847,
            "std": 0.009,
            "rank": 1,
            "seconds": 4.2,
        }
    ],
    "version": 3,
    "started_at": "2026-03-02T09:15:01Z",
    "finished_at": "2026-03-02T09:16:44Z",
}
_CROSS_VALIDATION = {name: {"mean": value, "std": 0.01} for name, value in _METRICS.items()}
_VERSION = {
    "id": 9,
    "classifier": "churn",
    "number": 3,
    "active": True,
    "run": 12,
    "contract": _CONTRACT,
    "params": {"n_estimators": 300, "max_depth": 8},
    "cross_validation": _CROSS_VALIDATION,
    "held_out": {"rows": 1_409, "metrics": _METRICS, "confusion": [[935, 100], [168, 206]]},
    "threshold": 0.5,
    "artifacts": {
        "pipeline": {
            "name": "run-12/5f0c6a1e/pipeline.joblib",
            "sha256": "0f1e2d3c4b5a69788796a5b4c3d2e1f000112233445566778899aabbccddeeff",
            "size_bytes": 4_194_304,
        }
    },
    "libraries": {"python": "3.11.9", "scikit-learn": "1.9.0"},
    "created_at": "2026-03-02T09:16:44Z",
}
_COMPARED = {
    "id": 9,
    "classifier": "churn",
    "number": 3,
    "active": True,
    "created_at": "2026-03-02T09:16:44Z",
    "run": 12,
    "dataset": {"id": 7, "name": "churn", "number": 2, "target": "churn", "rows": 7_043},
    "recipe": _RECIPE,
    "corrections": {},
    "family": "random_forest",
    "params": {"n_estimators": 300, "max_depth": 8},
    "classes": ["No", "Yes"],
    "threshold": 0.5,
    "cross_validation": _CROSS_VALIDATION,
    "held_out": _VERSION["held_out"],
    "libraries": _VERSION["libraries"],
}
_FIGURE = {"version": 9, "value": 0.85, "difference": 0.0, "best": True, "std": 0.01, "interval": None}
_HELD_OUT_FIGURE = {**_FIGURE, "std": None, "interval": [0.83, 0.87]}
_PREDICTION = {
    "id": _OUTCOME["prediction_id"],
    "created_at": "2026-03-02T10:00:00Z",
    **_MODEL,
    "features": _ROW,
    "label": "No",
    "probability": 0.83,
    "probabilities": {"No": 0.83, "Yes": 0.17},
    "warnings": [],
    "latency_ms": 0.21,
    "source": "api",
    "caller": "shop",
    "batch": None,
    "row": None,
    "truth": "Yes",
}
_SERVED = {
    **_MODEL,
    "default": True,
    "strict": False,
    "engine": "onnxruntime",
    "threshold": 0.5,
    "activated_at": "2026-03-02T09:20:00Z",
    "metrics": _METRICS,
    "contract": _CONTRACT,
    "example": {"tenure": 29, "contract": "Month-to-month"},
}
_TENSORS = {
    "name": "churn",
    "versions": ["1", "2", "3"],
    "platform": "scikit-learn",
    "inputs": [
        {"name": "tenure", "datatype": "INT64", "shape": [-1]},
        {"name": "contract", "datatype": "BYTES", "shape": [-1]},
    ],
    "outputs": [
        {"name": "predict", "datatype": "BYTES", "shape": [-1]},
        {
            "name": "predict_proba",
            "datatype": "FP64",
            "shape": [-1, 2],
            "parameters": {"classes": '["No","Yes"]'},
        },
    ],
}
_QUEUED_BATCH = {
    "id": 31,
    "model": "churn",
    "version": 3,
    "file_name": "customers.csv",
    "size_bytes": 184_320,
    "state": "queued",
    "mode": "lenient",
    "attempt": 0,
    "rows_total": 0,
    "rows_bad": 0,
    "rows_unseen": 0,
    "rows_done": 0,
    "rows_per_second": None,
    "seconds_left": None,
    "error": "",
    "caller": "key shop",
    "created_at": "2026-03-02T11:00:00Z",
    "checked_at": None,
    "started_at": None,
    "cancel_requested_at": None,
    "finished_at": None,
}
_UNCHECKED_BATCH = {**_QUEUED_BATCH, "problem_count": 0, "problems": []}
_DONE_BATCH = {
    **_QUEUED_BATCH,
    "state": "succeeded",
    "attempt": 1,
    "rows_total": 7_043,
    "rows_bad": 1,
    "rows_unseen": 2,
    "rows_done": 7_043,
    "rows_per_second": 31_200.5,
    "checked_at": "2026-03-02T11:00:01Z",
    "started_at": "2026-03-02T11:00:00Z",
    "finished_at": "2026-03-02T11:00:02Z",
}
_BATCH = {
    **_DONE_BATCH,
    "problem_count": 1,
    "problems": [
        {
            "line": 18,
            "column": "tenure",
            "code": "not_a_number",
            "message": 'expected a number, got "five"',
        }
    ],
}


def _page(*results: dict[str, Any]) -> dict[str, Any]:
    return {"next": None, "previous": None, "results": list(results)}


# the body of a request, by operation
REQUESTS: dict[str, Any] = {
    "api_batches_create": {
        "file": "tenure,contract\n5,One year\n70,Two year\n",
        "model": "churn",
        "mode": "lenient",
    },
    "api_batches_start_create": {"mode": "lenient"},
    "api_datasets_create": {
        "name": "churn",
        "target": "churn",
        "file": "tenure,contract,churn\n5,One year,No\n",
    },
    "api_runs_create": {"dataset": 7, "space": {"n_estimators": [100, 300]}, "max_minutes": 30},
    "api_versions_activate_create": {"reason": "better recall on the held-out rows"},
    "api_versions_retrain_create": {"activate": False},
    "give_feedback": {"label": "Yes"},
    "predict_batch": {"records": [_ROW, {"tenure": 70, "contract": "Two year"}], "model": "churn"},
    "upload_feedback": {"file": f"id,label\n{_OUTCOME['prediction_id']},Yes\n"},
}
# the body of the answer to a good request, by operation
ANSWERS: dict[str, Any] = {
    "api_batches_cancel_create": {
        **_UNCHECKED_BATCH,
        "state": "cancelled",
        "cancel_requested_at": "2026-03-02T11:00:05Z",
        "finished_at": "2026-03-02T11:00:05Z",
    },
    "api_batches_create": _UNCHECKED_BATCH,
    "api_batches_list": _page(_DONE_BATCH),
    "api_batches_retrieve": _BATCH,
    "api_batches_start_create": {**_BATCH, "state": "queued", "rows_done": 0, "finished_at": None},
    "batch_errors": 'line,column,code,message\r\n18,tenure,not_a_number,"expected a number, got ""five"""\r\n',
    "batch_result": (
        "prediction_id,label,probability,probability_No,probability_Yes,tenure,contract\r\n"
        "01936f5e-8a4c-7c3e-9d2b-5f0c00000000,No,0.83,0.83,0.17,5,One year\r\n"
    ),
    "api_classifiers_list": _page(
        {
            "id": 1,
            "name": "churn",
            "is_default": True,
            "strict": False,
            "active_version": 3,
            "created_at": "2026-01-05T08:00:00Z",
        }
    ),
    "api_datasets_create": _DATASET,
    "api_datasets_list": _page(_LISTED_DATASET),
    "api_datasets_retrieve": _DATASET,
    "api_predictions_list": _page(_PREDICTION),
    "api_predictions_retrieve": _PREDICTION,
    "api_runs_cancel_create": {**_QUEUED_RUN, "state": "cancelled", "finished_at": "2026-03-02T09:15:30Z"},
    "api_runs_create": _QUEUED_RUN,
    "api_runs_list": _page(_RUN),
    "api_runs_retrieve": _RUN,
    "api_versions_activate_create": {
        "number": 4,
        "classifier": "churn",
        "version": 3,
        "reason": "better recall on the held-out rows",
        "actor": "key deploy",
        "created_at": "2026-03-02T09:20:00Z",
    },
    "api_versions_compare_retrieve": {
        "versions": [
            _COMPARED,
            {**_COMPARED, "id": 5, "number": 2, "active": False},
        ],
        "metrics": [
            {
                "metric": "roc_auc",
                "cross_validation": [_FIGURE, {**_FIGURE, "version": 5}],
                "held_out": [_HELD_OUT_FIGURE, {**_HELD_OUT_FIGURE, "version": 5}],
            }
        ],
        "remarks": [],
    },
    "api_versions_list": _page(_VERSION),
    "api_versions_retrain_create": _QUEUED_RUN,
    "api_versions_retrieve": _VERSION,
    "classifier_live": {
        "model": "churn",
        "versions": [
            {
                "version": 3,
                "active": True,
                "judged": 200,
                "correct": 160,
                "accuracy": 0.8,
                "held_out_accuracy": 0.81,
                "classes": ["No", "Yes"],
                "confusion": [[120, 20], [20, 40]],
            }
        ],
    },
    "give_feedback": {
        "prediction_id": _OUTCOME["prediction_id"],
        "label": "Yes",
        "predicted": "No",
        "source": "api",
        "actor": "key shop",
        "created_at": "2026-04-01T12:00:00Z",
        "change": "created",
    },
    "info": {
        "default": "churn",
        "limits": {"batch_rows": 10_000, "body_bytes": 16_777_216},
        "classifiers": [_SERVED],
    },
    "mlflow_ping": {"status": "ok"},
    "mlflow_version": "2.0.0",
    "predict": {**_MODEL, **_OUTCOME, "threshold": 0.5},
    "predict_batch": {**_MODEL, "threshold": 0.5, "predictions": [_OUTCOME]},
    "upload_feedback": {"created": 1, "unchanged": 0, "corrected": 0},
    "v2_live": {"live": True},
    "v2_model": _TENSORS,
    "v2_model_ready": {"name": "churn", "ready": True},
    "v2_ready": {"live": True, "ready": True},
    "v2_server": {"name": "clfsite", "version": "0.1.0", "extensions": ["binary_tensor_data"]},
    "v2_version": _TENSORS,
    "v2_version_ready": {"name": "churn", "ready": True},
}
