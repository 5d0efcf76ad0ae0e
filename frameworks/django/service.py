import json

from django import forms
from django.conf import settings
from django.core.validators import MaxLengthValidator, MinLengthValidator
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # of the default ones only this: it sets Content-Length
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used for anything",  # noqa: S106
)


class TextField(forms.CharField):  # forms are made for text, and would take 5 for "5"
    def to_python(self, value):
        if not isinstance(value, str):
            raise forms.ValidationError("Enter a text.")
        return value


class NumberField(forms.IntegerField):  # and "5" or true for a number
    def to_python(self, value):
        if type(value) is not int:
            raise forms.ValidationError("Enter a whole number.")
        return value


class ItemForm(forms.Form):
    sku = TextField(max_length=32, strip=False)
    quantity = NumberField(min_value=1, max_value=1000)
    price_cents = NumberField(min_value=0, max_value=1_000_000_000)


class ItemsField(forms.Field):
    def clean(self, value):
        if not isinstance(value, list):
            raise forms.ValidationError("Enter a list of items.")
        MinLengthValidator(1)(value)
        MaxLengthValidator(100)(value)
        items = [ItemForm(item if isinstance(item, dict) else {}) for item in value]
        if not all(item.is_valid() for item in items):
            raise forms.ValidationError([item.errors.as_text() for item in items if item.errors])
        return [item.cleaned_data for item in items]


class QuoteForm(forms.Form):
    customer = TextField(max_length=100, strip=False)
    items = ItemsField()


@require_POST
def quote(request):
    try:
        body = json.loads(request.body)
    except ValueError as error:  # also for invalid UTF-8
        return JsonResponse({"error": str(error)}, status=400)
    form = QuoteForm(body if isinstance(body, dict) else {})
    if not form.is_valid():
        return JsonResponse(form.errors.get_json_data(), status=422)
    items = form.cleaned_data["items"]
    total_cents = sum(item["quantity"] * item["price_cents"] for item in items)
    priced = {"customer": form.cleaned_data["customer"], "items": len(items), "total_cents": total_cents}
    return JsonResponse(priced, status=201)


urlpatterns = [path("quotes", quote)]
app = get_wsgi_application()
