import time

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

from common.contract import HELLO, parse_delay, sleep_seconds, slept

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # of the default ones only this: it sets Content-Length
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used for anything",  # noqa: S106
)

from ninja import NinjaAPI  # noqa: E402 -- it reads the settings when imported

api = NinjaAPI()


@api.get("/hello")
def hello(request):
    return HELLO


@api.get("/sleep/{delay}")
def sleep(request, delay: str):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return api.create_response(request, {"error": str(error)}, status=400)
    time.sleep(sleep_seconds(delay_ms))
    return slept(delay_ms)


urlpatterns = [path("", api.urls)]
app = get_wsgi_application()
