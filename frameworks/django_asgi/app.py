import asyncio

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET

from common.contract import HELLO, parse_delay, sleep_seconds, slept

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # of the default ones only this: it sets Content-Length
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used for anything",  # noqa: S106
)


@require_GET
async def hello(request):
    return JsonResponse(HELLO, safe=False)


@require_GET
async def sleep(request, delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return JsonResponse({"error": str(error)}, status=400)
    await asyncio.sleep(sleep_seconds(delay_ms))
    return JsonResponse(slept(delay_ms), safe=False)


urlpatterns = [path("hello", hello), path("sleep/<delay>", sleep)]
app = get_asgi_application()
