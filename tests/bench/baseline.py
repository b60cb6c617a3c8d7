"""The service that people write by hand: FastAPI, pydantic and SQLAlchemy around a pickled pipeline.

`uvicorn tests.bench.baseline:app`, with BASELINE_MODEL (a joblib file) and BASELINE_DATABASE (of SQLAlchemy). It logs
after the answer, checks no key, and loses what it has not written when it dies.
"""

import os
import time
import uuid
from typing import Any

import joblib
import pandas as pd
from fastapi import BackgroundTasks, FastAPI
from pydantic import create_model
from sqlalchemy import JSON, DateTime, create_engine, func
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

pipeline = joblib.load(os.environ["BASELINE_MODEL"])
names = pipeline.feature_names_in_.tolist()
engine = create_engine(os.environ["BASELINE_DATABASE"], pool_size=10, max_overflow=20)


class Base(DeclarativeBase):
    """SQLAlchemy's register of tables."""


class Logged(Base):
    """One answer."""

    __tablename__ = "baseline_log"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[Any] = mapped_column(DateTime(timezone=True), server_default=func.now())
    features: Mapped[Any] = mapped_column(JSON)
    label: Mapped[str]
    probability: Mapped[float]
    latency_ms: Mapped[float]


Base.metadata.create_all(engine)
Row = create_model("Row", **dict.fromkeys(names, (float, ...)))  # type: ignore[call-overload]
Rows = create_model("Rows", records=(list[Row], ...))  # type: ignore[valid-type]
app = FastAPI()


def write(answers: list[dict[str, Any]]) -> None:
    """Log answers in one transaction."""
    with Session(engine) as session:
        session.add_all(Logged(**answer) for answer in answers)
        session.commit()


def score(records: list[dict[str, float]]) -> list[dict[str, Any]]:
    """Answer records through a DataFrame, as scikit-learn's users do."""
    began = time.perf_counter()
    proba = pipeline.predict_proba(pd.DataFrame(records)[names])
    latency_ms = (time.perf_counter() - began) * 1_000
    return [
        {
            "id": str(uuid.uuid4()),
            "features": record,
            "label": str(pipeline.classes_[row.argmax()]),
            "probability": float(row.max()),
            "latency_ms": latency_ms,
        }
        for record, row in zip(records, proba, strict=True)
    ]


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """What the caller gets of an answer."""
    return {key: value for key, value in answer.items() if key != "features"}


@app.post("/predict")
def predict(row: Row, tasks: BackgroundTasks) -> dict[str, Any]:  # type: ignore[valid-type]
    """Predict one row."""
    answers = score([row.model_dump()])  # type: ignore[attr-defined]
    tasks.add_task(write, answers)
    return shown(answers[0])


@app.post("/predict-batch")
def predict_batch(rows: Rows, tasks: BackgroundTasks) -> dict[str, Any]:  # type: ignore[valid-type]
    """Answer many rows."""
    answers = score([row.model_dump() for row in rows.records])  # type: ignore[attr-defined]
    tasks.add_task(write, answers)
    return {"predictions": [shown(answer) for answer in answers]}
