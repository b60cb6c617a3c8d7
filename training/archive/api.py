"""What the API of datasets, runs and versions shares: archive, restore and delete a row."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import DetailCall
from clfsite.core.api.schema import example
from clfsite.core.api.serializers import StrictBooleanField, StrictSerializer
from clfsite.core.web.lists import M
from training.archive import service

View = TypeVar("View", bound=type)
F = TypeVar("F", bound=Callable[..., Any])


@example({"archived": False})
class ArchiveSerializer(StrictSerializer):
    archived = StrictBooleanField(help_text="Whether it is hidden from the portal's lists and choices.")


class ArchivableCall(DetailCall[M]):
    """One row, archived or not."""

    def patch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row: Any = self.get_object()
        form = ArchiveSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        if form.validated_data["archived"]:
            service.archive(row)
        else:
            service.restore(row)
        return Response(self.get_serializer(self.get_object()).data)

    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row: Any = self.get_object()
        service.delete(row)
        return Response(status=status.HTTP_204_NO_CONTENT)


def deletion(summary: str) -> Callable[[F], F]:
    """Decorate a DELETE with what the OpenAPI document says of it."""
    return extend_schema(
        summary=summary,
        description="It must be archived, and no other row may refer to it.",
        request=None,
        responses={
            204: None,
            409: OpenApiResponse(
                description="It is not archived, or other rows refer to it; nothing was changed."
            ),
        },
    )


def archivable(kind: str, serializer: type[serializers.ModelSerializer[Any]]) -> Callable[[View], View]:
    """Decorate an `ArchivableCall` with what the OpenAPI document says of its methods.

    Args:
        kind: one row in words, such as "a dataset".
        serializer: that of its answers.
    """
    return extend_schema_view(
        patch=extend_schema(
            summary=f"Archive or restore {kind}",
            request=ArchiveSerializer,
            responses={
                200: serializer,
                409: OpenApiResponse(description="It is in use; nothing was changed."),
            },
        ),
        delete=deletion(f"Delete {kind} and its files"),
    )
