from fastapi import FastAPI
from pydantic import BaseModel, Field


class Item(BaseModel):
    sku: str = Field(min_length=1, max_length=32)
    quantity: int = Field(strict=True, ge=1, le=1000)
    price_cents: int = Field(strict=True, ge=0, le=1_000_000_000)


class Quote(BaseModel):
    customer: str = Field(min_length=1, max_length=100)
    items: list[Item] = Field(min_length=1, max_length=100)


class Priced(BaseModel):
    customer: str
    items: int
    total_cents: int


app = FastAPI()


@app.post("/quotes", status_code=201)
async def quote(quote: Quote) -> Priced:
    total_cents = sum(item.quantity * item.price_cents for item in quote.items)
    return Priced(customer=quote.customer, items=len(quote.items), total_cents=total_cents)
