import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # of the default ones only this: it sets Content-Length
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},  # as without contrib.auth
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used for anything",  # noqa: S106
)
django.setup()

from rest_framework import serializers  # noqa: E402 -- they read the settings when imported
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.response import Response  # noqa: E402


class TextField(serializers.CharField):  # which would take 5 for "5"
    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class NumberField(serializers.IntegerField):  # which would take "5" for 5
    def to_internal_value(self, data):
        if type(data) is not int:
            self.fail("invalid")
        return data


class ItemSerializer(serializers.Serializer):
    sku = TextField(max_length=32, trim_whitespace=False)
    quantity = NumberField(min_value=1, max_value=1000)
    price_cents = NumberField(min_value=0, max_value=1_000_000_000)


class QuoteSerializer(serializers.Serializer):
    customer = TextField(max_length=100, trim_whitespace=False)
    items = ItemSerializer(many=True, allow_empty=False, max_length=100)


@api_view(["POST"])
def quote(request):
    serializer = QuoteSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    quote = serializer.validated_data
    total_cents = sum(item["quantity"] * item["price_cents"] for item in quote["items"])
    priced = {"customer": quote["customer"], "items": len(quote["items"]), "total_cents": total_cents}
    return Response(priced, status=201)


urlpatterns = [path("quotes", quote)]
app = get_wsgi_application()
