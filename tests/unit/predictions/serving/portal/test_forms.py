"""The form of a contract."""

import pytest

from predictions.serving.portal.forms import FeaturesForm
from training.ml.files.notation import Notation
from training.ml.tables.contract import Contract, Feature, Kind


@pytest.mark.parametrize("notation", [Notation(), Notation(decimal=",", thousands=".", unit="€")])
def test_what_a_form_starts_with_is_valid_in_any_notation_of_the_table(notation: Notation) -> None:
    income = Feature("income", Kind.NUMBER, False, 1352.88, low=25.5, high=23_426.1, notation=notation)
    contract = Contract("late", (income,), ("no", "yes"), {})
    started = FeaturesForm(contract)["income"].value()
    form = FeaturesForm(contract, {"feature-income": started})
    assert form.is_valid()
    assert form.cleaned_data == {"income": 1352.88}
