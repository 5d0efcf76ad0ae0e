import json

from common.contract.service import price_quote


def quote(environ):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        return "201 Created", price_quote(json.loads(body))
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        return "400 Bad Request", {"error": str(error)}


def app(environ, start_response):
    headers = [("Content-Type", "application/json")]
    match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
        case "POST", "/quotes":
            status, response = quote(environ)
        case _, "/quotes":
            status, response = "405 Method Not Allowed", {"error": "only POST is allowed"}
            headers.append(("Allow", "POST"))
        case _:
            status, response = "404 Not Found", {"error": "not found"}
    body = json.dumps(response).encode()
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
