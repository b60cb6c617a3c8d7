"""The API of classifiers."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from clfsite.core.api.calls import Call, ListCall
from training.archive import service as archiving
from training.archive.api import deletion
from training.classifiers.serializers import ChangesSerializer, ClassifierSerializer
from training.classifiers.service import Changes, change_classifier
from training.models import Classifier


@extend_schema(tags=["versions"], summary="Classifiers and their active versions")
class ClassifierList(ListCall[Classifier]):
    scopes = {"GET": "read"}
    queryset = Classifier.objects.all()
    serializer_class = ClassifierSerializer


class ClassifierDetail(Call):
    """One classifier, archived or not."""

    scopes = {"GET": "read", "PATCH": "activate", "DELETE": "activate"}

    @extend_schema(tags=["versions"], summary="One classifier", responses=ClassifierSerializer)
    def get(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        return Response(ClassifierSerializer(classifier).data)

    @extend_schema(
        tags=["versions"],
        summary="Change owner, notes, tags and default, or archive it",
        request=ChangesSerializer,
        responses={
            200: ClassifierSerializer,
            409: OpenApiResponse(
                description="The default classifier cannot be archived; nothing was changed."
            ),
        },
    )
    def patch(self, request: Request, name: str) -> Response:
        classifier = generics.get_object_or_404(Classifier, name=name)
        form = ChangesSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        change_classifier(classifier=classifier, changes=Changes(**form.validated_data))
        return Response(ClassifierSerializer(classifier).data)

    @extend_schema(tags=["versions"])
    @deletion("Delete a classifier")
    def delete(self, request: Request, name: str) -> Response:
        archiving.delete(generics.get_object_or_404(Classifier, name=name))
        return Response(status=status.HTTP_204_NO_CONTENT)
