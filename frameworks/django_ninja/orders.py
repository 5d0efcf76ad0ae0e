import os
from typing import Annotated

from service import Item, app, urlpatterns  # noqa: F401 -- a server loads app

# isort: split
from django.conf import settings
from django.db import IntegrityError, models
from django.db.models.functions import Now
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from ninja import Field, ModelSchema, NinjaAPI, Path, Query
from ninja.errors import HttpError
from psycopg.conninfo import conninfo_to_dict

from common.contract.service import CONNECTIONS, MOST_ID, MOST_ROWS, USUAL_ROWS

given = conninfo_to_dict(os.environ["DATABASE"]) | {"pool": {"min_size": CONNECTIONS, "max_size": CONNECTIONS}}
settings.DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": given["dbname"], "OPTIONS": given}}
settings.ROOT_URLCONF = __name__
api = NinjaAPI(urls_namespace="orders", openapi_url=None)  # quotes has an API of its own, with the document


class Order(models.Model):  # noqa: DJ008 -- nothing prints it
    reference = models.TextField(null=True, unique=True)  # noqa: DJ001 -- orders without one do not conflict
    customer = models.TextField()
    sku = models.TextField()
    quantity = models.IntegerField()
    price_cents = models.IntegerField()
    placed_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = db_table = "orders"


class NewOrder(Item):
    reference: str | None = Field(default=None, min_length=1, max_length=64)
    customer: str = Field(min_length=1, max_length=100)


class OrderSchema(ModelSchema):
    class Meta:
        model = Order
        fields = "__all__"


@api.get("/orders/{number}", response=OrderSchema)
def order(request, number: Annotated[int, Path(ge=1, le=MOST_ID)]):
    return get_object_or_404(Order, id=number)


@api.get("/orders", response=list[OrderSchema])
def orders(
    request,
    after: Annotated[int, Query(ge=0, le=MOST_ID)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = USUAL_ROWS,
):
    return Order.objects.filter(id__gt=after).order_by("id")[:limit]


@api.post("/orders", response={201: OrderSchema})
def place(request, order: NewOrder, response: HttpResponse):
    try:
        placed = Order.objects.create(**order.dict())
    except IntegrityError as error:
        raise HttpError(409, "another order has this reference") from error
    response["Location"] = f"/orders/{placed.id}"
    return 201, placed


urlpatterns = [*urlpatterns, path("", api.urls)]
