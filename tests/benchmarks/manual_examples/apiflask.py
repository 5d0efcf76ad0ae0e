from apiflask import APIFlask

app = APIFlask(__name__)


@app.get("/hello")
def say_hello():
    return {"message": "Hello!"}
