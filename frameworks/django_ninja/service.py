from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # of the default ones only this: it sets Content-Length
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used for anything",  # noqa: S106
)

from ninja import Field, NinjaAPI, Schema  # noqa: E402 -- it reads the settings when imported


class Item(Schema):
    sku: str = Field(min_length=1, max_length=32)
    quantity: int = Field(strict=True, ge=1, le=1000)
    price_cents: int = Field(strict=True, ge=0, le=1_000_000_000)


class Quote(Schema):
    customer: str = Field(min_length=1, max_length=100)
    items: list[Item] = Field(min_length=1, max_length=100)


class Priced(Schema):
    customer: str
    items: int
    total_cents: int


api = NinjaAPI()


@api.post("/quotes", response={201: Priced})
def quote(request, quote: Quote):
    total_cents = sum(item.quantity * item.price_cents for item in quote.items)
    return 201, Priced(customer=quote.customer, items=len(quote.items), total_cents=total_cents)


urlpatterns = [path("", api.urls)]
app = get_wsgi_application()
