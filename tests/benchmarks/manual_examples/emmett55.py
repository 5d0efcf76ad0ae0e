from emmett55 import App
from emmett55.tools import service

app = App(__name__, root_path="/nonexistent")


@app.route("/hello")
@service.json
async def hello():
    return {"status": "OK", "data": "hello world"}
