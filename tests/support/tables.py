"""Small tables of every kind of problem, made from a seed."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

ROWS = 90


def numbers() -> pd.DataFrame:
    """Two classes, numbers alone; `a` tells them apart."""
    random = np.random.default_rng(1)
    label = random.integers(0, 2, ROWS)
    return pd.DataFrame(
        {
            "a": label + random.normal(0, 0.5, ROWS),
            "b": random.normal(0, 1, ROWS),
            "label": np.where(label, "yes", "no"),
        }
    )


def texts() -> pd.DataFrame:
    """Two classes, texts alone."""
    random = np.random.default_rng(2)
    colour = random.choice(["red", "green", "blue"], ROWS)
    guess = random.random(ROWS) < np.where(colour == "red", 0.9, 0.2)
    return pd.DataFrame(
        {"colour": colour, "size": random.choice(["s", "m"], ROWS), "label": np.where(guess, "yes", "no")}
    )


def mixed() -> pd.DataFrame:
    """Two classes; a number, an integer, a boolean and a text, each with gaps but the integer."""
    random = np.random.default_rng(3)
    table = numbers().assign(
        visits=random.integers(0, 9, ROWS),
        member=pd.Series(random.random(ROWS) < 0.5, dtype=object),
        colour=random.choice(["red", "green"], ROWS),
    )
    table.loc[::5, "a"] = np.nan
    table.loc[::6, "member"] = np.nan
    table.loc[::7, "colour"] = np.nan
    return table[["a", "visits", "member", "colour", "label"]]


def codes() -> pd.DataFrame:
    """Two classes; texts that pandas takes for numbers or booleans wherever the row with the letter is not there."""
    random = np.random.default_rng(5)
    table = mixed().assign(
        zone=random.choice(["1", "2", "-30"], ROWS).astype(object),
        active=random.choice(["True", "False"], ROWS),
    )
    table.loc[0, ["zone", "active"]] = ["A", "unknown"]
    table.loc[1::8, "zone"] = np.nan
    return table


def three_classes() -> pd.DataFrame:
    """Three classes of 50 rows, four numbers: the iris flowers."""
    iris = load_iris(as_frame=True)
    table: pd.DataFrame = iris.data
    return table.assign(label=iris.target_names[iris.target])


def three_classes_with_gaps() -> pd.DataFrame:
    """Three classes with a text that has gaps."""
    random = np.random.default_rng(4)
    label = random.choice(["low", "middle", "high"], ROWS)
    hint = np.where(random.random(ROWS) < 0.7, label, "none")
    table = pd.DataFrame({"hint": hint, "noise": random.normal(size=ROWS), "label": label}, dtype=object)
    table["noise"] = table["noise"].astype(float)
    table.loc[::9, ["hint", "noise"]] = np.nan
    return table
