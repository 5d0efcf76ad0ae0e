from quart import Quart

app = Quart(__name__)


@app.route("/hello")
async def json():
    return {"hello": "world"}
