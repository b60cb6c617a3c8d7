"""Sent forms, to execute each only once."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class SentForm(models.Model):
    """A form that a person has sent, by the token that came with the page; `address` is what it led to, once it has."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    token = models.UUIDField()
    address = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "token"], name="form_is_sent_once")]

    def __str__(self) -> str:
        return f"form {self.token} of {self.user}"
