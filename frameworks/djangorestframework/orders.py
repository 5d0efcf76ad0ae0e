import os

from service import ItemSerializer, TextField, app, quote  # noqa: F401 -- a server loads app

# isort: split
from django.conf import settings
from django.db import IntegrityError, models
from django.db.models.functions import Now
from django.shortcuts import get_object_or_404
from django.urls import path
from psycopg.conninfo import conninfo_to_dict
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from common.contract.service import COLUMNS, CONNECTIONS, MOST_ID, MOST_ROWS, USUAL_ROWS

given = conninfo_to_dict(os.environ["DATABASE"]) | {"pool": {"min_size": CONNECTIONS, "max_size": CONNECTIONS}}
settings.DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": given["dbname"], "OPTIONS": given}}
settings.ROOT_URLCONF = __name__
settings.TIME_ZONE = "UTC"


class Order(models.Model):  # noqa: DJ008 -- nothing prints it
    reference = models.TextField(null=True, unique=True)  # noqa: DJ001 -- orders without one do not conflict
    customer = models.TextField()
    sku = models.TextField()
    quantity = models.IntegerField()
    price_cents = models.IntegerField()
    placed_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = db_table = "orders"


class OrderSerializer(ItemSerializer, serializers.ModelSerializer):
    reference = TextField(max_length=64, trim_whitespace=False, allow_null=True, default=None)
    customer = TextField(max_length=100, trim_whitespace=False)

    class Meta:
        model = Order
        fields = COLUMNS
        read_only_fields = ("id", "placed_at")


class OneSerializer(serializers.Serializer):
    id = serializers.IntegerField(min_value=1, max_value=MOST_ID)


class PageSerializer(serializers.Serializer):
    after = serializers.IntegerField(min_value=0, max_value=MOST_ID, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_ROWS, default=USUAL_ROWS)


class OrderView(APIView):
    def get(self, request, text):
        one = OneSerializer(data={"id": text})
        one.is_valid(raise_exception=True)
        return Response(OrderSerializer(get_object_or_404(Order, **one.validated_data)).data)


class OrdersView(APIView):
    def get(self, request):
        page = PageSerializer(data=request.query_params.dict())
        page.is_valid(raise_exception=True)
        after, limit = page.validated_data["after"], page.validated_data["limit"]
        return Response(OrderSerializer(Order.objects.filter(id__gt=after).order_by("id")[:limit], many=True).data)

    def post(self, request):
        order = OrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        try:
            order.save()
        except IntegrityError:
            return Response({"detail": "another order has this reference"}, status=409)
        return Response(order.data, status=201, headers={"Location": f"/orders/{order.data['id']}"})


urlpatterns = [path("quotes", quote), path("orders", OrdersView.as_view()), path("orders/<text>", OrderView.as_view())]
