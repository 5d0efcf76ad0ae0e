import asyncio

from django.conf import settings
from django.core.management import execute_from_command_line

from common.contract import HELLO, parse_delay, sleep_seconds, slept

QUIET = {"version": 1, "loggers": {"django.server": {"level": "ERROR"}}}  # no access log
if not settings.configured:  # runbolt imports this file a second time, to find api
    settings.configure(BOLT_API=["app:api"], INSTALLED_APPS=["django_bolt"], LOGGING=QUIET, ROOT_URLCONF="app")
from django_bolt import JSON, BoltAPI  # noqa: E402 -- it reads the settings when imported

api, urlpatterns = BoltAPI(), []


@api.get("/hello")
async def hello():
    return JSON(HELLO)


@api.get("/sleep/{delay}")
async def sleep(delay: str):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return JSON({"error": str(error)}, status_code=400)
    await asyncio.sleep(sleep_seconds(delay_ms))
    return JSON(slept(delay_ms))


for route in (api.post, api.put, api.patch, api.delete):  # without these routes Django-Bolt answers 404

    @route("/hello")
    @route("/sleep/{delay}")
    async def other_method(delay: str = ""):
        return JSON({"error": "only GET is allowed"}, status_code=405, headers={"Allow": "GET"})


if __name__ == "__main__":
    execute_from_command_line()
