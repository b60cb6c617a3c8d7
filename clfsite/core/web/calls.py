"""What every managing call has: who may call it, and which parameters its address takes."""

from collections.abc import Mapping
from typing import Any

from rest_framework import generics
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.views import APIView

from clfsite.core.web.lists import PAGING, M
from clfsite.core.web.members import check_parameters
from clfsite.core.web.parsers import StrictJSONParser, UploadParser
from clfsite.core.web.permissions import HasScope
from clfsite.core.web.serializers import NothingSerializer


class Call(APIView):
    """A call that names its scopes and, by method, the parameters of its address; others are refused."""

    permission_classes = [HasScope]
    parameters: Mapping[str, tuple[str, ...]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let a caller in, then look at what it asks for.

        Raises:
            Malformed: a parameter that this call does not take.
        """
        super().initial(request, *args, **kwargs)
        check_parameters(request.query_params, self.parameters.get(request.method or "", ()))


class ListCall(Call, generics.ListAPIView[M]):
    """Rows, newest first, a page at a time."""

    parameters = {"GET": PAGING}


class DetailCall(Call, generics.RetrieveAPIView[M]):
    """One row."""


class BareCall(Call):
    """A call that takes nothing beside its address."""

    parser_classes = [StrictJSONParser, UploadParser, FormParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let a caller in, then look whether it sends anything.

        Raises:
            ValidationError: naming each member of the body.
        """
        super().initial(request, *args, **kwargs)
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
