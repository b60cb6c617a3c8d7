"""Validation of the names of datasets and classifiers."""

from django.core.exceptions import ValidationError

from clfsite.core.errors import InvalidInput
from training.models import name_validator

# characters, as declared by the models
LONGEST_NAME = 100


def check_name(name: str, what: str) -> None:
    """Raise InvalidInput unless the name is valid for a dataset or a classifier."""
    try:
        name_validator(name)
    except ValidationError as error:
        raise InvalidInput(f"{name!r} cannot name a {what}: {error.messages[0]}") from error
    if len(name) > LONGEST_NAME:
        raise InvalidInput(
            f"the {what}'s name has {len(name)} characters; at most {LONGEST_NAME} are allowed"
        )
