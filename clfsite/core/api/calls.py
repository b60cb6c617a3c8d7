"""Base classes of managing calls: permissions, and parameters of the address."""

from collections.abc import Mapping
from typing import Any

from rest_framework import generics
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.views import APIView

from clfsite.core.api.parsers import StrictJSONParser, UploadParser
from clfsite.core.api.permissions import HasScope
from clfsite.core.api.serializers import NothingSerializer
from clfsite.core.requests.members import check_parameters
from clfsite.core.web.lists import PAGING, M


class Call(APIView):
    """A call with its scopes and, by method, the allowed parameters; others are refused."""

    permission_classes = [HasScope]
    parameters: Mapping[str, tuple[str, ...]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the caller, then the parameters.

        Raises:
            Malformed: an unknown parameter.
        """
        super().initial(request, *args, **kwargs)
        check_parameters(request.query_params, self.parameters.get(request.method or "", ()))


class ListCall(Call, generics.ListAPIView[M]):
    """Rows, newest first, a page at a time."""

    parameters = {"GET": PAGING}


class DetailCall(Call, generics.RetrieveAPIView[M]):
    """One row."""


class BareCall(Call):
    """A call without a body."""

    parser_classes = [StrictJSONParser, UploadParser, FormParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the caller, then that the body is empty.

        Raises:
            ValidationError: naming each member of the body.
        """
        super().initial(request, *args, **kwargs)
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
