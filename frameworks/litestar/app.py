import asyncio

from litestar import Litestar, MediaType, Response, get
from litestar.params import FromPath
from litestar.serialization import encode_json

from common.contract import HELLO, parse_delay, sleep_seconds, slept


@get("/hello", media_type=MediaType.JSON)
async def hello() -> bytes:
    return encode_json(HELLO)  # Litestar sends a str without quotes even as JSON


@get("/sleep/{delay:str}", media_type=MediaType.JSON)
async def sleep(delay: FromPath[str]) -> Response:
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return Response({"error": str(error)}, status_code=400)
    await asyncio.sleep(sleep_seconds(delay_ms))
    return Response(encode_json(slept(delay_ms)))


app = Litestar([hello, sleep])
