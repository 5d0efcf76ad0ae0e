import json
import os

from django import forms
from django.conf import settings
from django.db import IntegrityError, models
from django.db.models.functions import Now
from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views import View
from psycopg.conninfo import conninfo_to_dict
from service import ItemForm, TextField, app, quote  # noqa: F401 -- a server loads app

from common.contract.service import CONNECTIONS, MOST_ID, MOST_ROWS, USUAL_ROWS

given = conninfo_to_dict(os.environ["DATABASE"]) | {"pool": {"min_size": CONNECTIONS, "max_size": CONNECTIONS}}
settings.DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": given["dbname"], "OPTIONS": given}}
settings.ROOT_URLCONF = __name__


class Order(models.Model):  # noqa: DJ008 -- nothing prints it
    reference = models.TextField(null=True, unique=True)  # noqa: DJ001 -- orders without one do not conflict
    customer = models.TextField()
    sku = models.TextField()
    quantity = models.IntegerField()
    price_cents = models.IntegerField()
    placed_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = db_table = "orders"


class ReferenceField(TextField):  # may be missing, but not empty
    def clean(self, value):
        return None if value is None else super().clean(value)


class OrderForm(ItemForm):
    reference = ReferenceField(max_length=64, strip=False)
    customer = TextField(max_length=100, strip=False)


class OneForm(forms.Form):
    id = forms.IntegerField(min_value=1, max_value=MOST_ID)


class PageForm(forms.Form):
    after = forms.IntegerField(min_value=0, max_value=MOST_ID)
    limit = forms.IntegerField(min_value=1, max_value=MOST_ROWS)


class OrderView(View):
    def get(self, request, text):
        if not (form := OneForm({"id": text})).is_valid():
            return JsonResponse(form.errors.get_json_data(), status=422)
        return JsonResponse(forms.model_to_dict(get_object_or_404(Order, **form.cleaned_data)))


class OrdersView(View):
    def get(self, request):
        if not (form := PageForm({"after": 0, "limit": USUAL_ROWS} | request.GET.dict())).is_valid():
            return JsonResponse(form.errors.get_json_data(), status=422)
        found = Order.objects.filter(id__gt=form.cleaned_data["after"]).order_by("id")[: form.cleaned_data["limit"]]
        return JsonResponse([forms.model_to_dict(order) for order in found], safe=False)

    def post(self, request):
        try:
            body = json.loads(request.body)
            if not (form := OrderForm(body if isinstance(body, dict) else {})).is_valid():
                return JsonResponse(form.errors.get_json_data(), status=422)
            order = Order.objects.create(**form.cleaned_data)
        except ValueError as error:  # invalid JSON or UTF-8
            return JsonResponse({"error": str(error)}, status=400)
        except IntegrityError:
            return JsonResponse({"error": "another order has this reference"}, status=409)
        return JsonResponse(forms.model_to_dict(order), status=201, headers={"Location": f"/orders/{order.id}"})


urlpatterns = [path("quotes", quote), path("orders", OrdersView.as_view()), path("orders/<text>", OrderView.as_view())]
