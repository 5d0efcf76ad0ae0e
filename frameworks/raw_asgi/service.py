import json

from common.contract.service import price_quote


async def read(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def quote(receive):
    try:
        return 201, price_quote(json.loads(await read(receive)))
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        return 400, {"error": str(error)}


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])  # the way to decline the lifespan protocol
    headers = [(b"content-type", b"application/json")]
    match scope["method"], scope["path"]:
        case "POST", "/quotes":
            status, response = await quote(receive)
        case _, "/quotes":
            status, response = 405, {"error": "only POST is allowed"}
            headers.append((b"allow", b"POST"))
        case _:
            status, response = 404, {"error": "not found"}
    body = json.dumps(response).encode()
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
